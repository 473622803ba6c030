//! The schedule: when each event is due.

use super::segments::{EVENT, Integral, MicroRate, Segment, segments};
use super::{Cursor, ScheduleError, Shape, sine};
use crate::batch::Nanos;

/// The shortest period. In a shorter one, a tenth or a half would be only a few nanoseconds long.
const MIN_PERIOD: Nanos = 1_000;

/// A schedule says when each event is due.
///
/// ```
/// use floodway::schedule::{Schedule, Shape};
///
/// let second = 1_000_000_000;
/// let schedule = Schedule::new(Shape::Square, 10.0, 1_000.0, 2 * second)?;
/// assert_eq!(schedule.count(second), 10);
/// assert_eq!(schedule.count(2 * second), 1_010);
/// assert_eq!(schedule.time(10), Some(second));
/// assert_eq!(schedule.time(11), Some(second + second / 1_000));
/// # Ok::<(), floodway::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    segments: Vec<Segment>,
    last: Last,
    /// The integral of the rate at the last nanosecond at which an event can be due.
    limit: Integral,
}

/// What follows the last segment.
#[derive(Clone, Copy, Debug)]
enum Last {
    /// The last segment has no end.
    Never,
    /// All segments repeat after `period`. `total` is the integral over a period.
    Repeat { period: Nanos, total: Integral },
    /// No event is due from this time on.
    End(Nanos),
}

/// The segment in which an event is due.
pub(super) struct Stretch {
    /// The start of the segment.
    pub(super) start: Nanos,
    /// The rate in the segment. It is 0 only if the schedule begins with a rate of 0, where event 0 is due.
    pub(super) rate: MicroRate,
    /// The increase of the integral from the start of the segment to the event.
    pub(super) owed: Integral,
    /// The last event that is due in the segment.
    pub(super) last: u64,
}

impl Stretch {
    /// Returns when the event is due, from the start of the segment.
    pub(super) fn offset(&self) -> Nanos {
        // The event is not past the limit, so the result fits.
        self.owed.div_ceil(u128::from(self.rate.max(1))) as Nanos
    }
}

impl Schedule {
    /// The largest rate, in events per second: one event per nanosecond.
    pub const MAX_RATE: f64 = 1e9;

    /// Creates a schedule of `shape`. The base rate `rate` and the peak rate `peak` are in events per second over all
    /// workers, and are rounded to a millionth. Rates and `period` are used as far as the shape has them.
    ///
    /// # Errors
    /// If a rate is out of range, the period is below a microsecond, or no event after the first one would be due.
    pub fn new(
        shape: Shape,
        rate: f64,
        peak: f64,
        period: Nanos,
    ) -> Result<Schedule, ScheduleError> {
        if let Shape::Trace(trace) = shape {
            let end = trace.end();
            let parts = trace.rows().iter().map(|row| (row.start, row.rate));
            return Schedule::from_segments(segments(parts), Last::End(end));
        }
        let base = micro_rate("rate", rate)?;
        if shape == Shape::Constant {
            return Schedule::from_segments(segments([(0, base)]), Last::Never);
        }
        let peak = micro_rate("peak rate", peak)?;
        if period < MIN_PERIOD {
            return Err(ScheduleError::Period(period));
        }
        let parts = match shape {
            Shape::Step => {
                return Schedule::from_segments(segments([(0, base), (period, peak)]), Last::Never);
            }
            Shape::Square => segments([(0, base), (period / 2, peak)]),
            Shape::Spike => segments([(0, base), (period / 10, peak), (period / 5, base)]),
            Shape::Sine => sine::staircase(base, peak, period),
            Shape::Constant | Shape::Trace(_) => unreachable!("both are handled above"),
        };
        let total = parts[parts.len() - 1].until(period);
        Schedule::from_segments(parts, Last::Repeat { period, total })
    }

    fn from_segments(segments: Vec<Segment>, last: Last) -> Result<Schedule, ScheduleError> {
        if segments.iter().all(|segment| segment.rate == 0) {
            return Err(ScheduleError::Silent);
        }
        let mut schedule = Schedule { segments, last, limit: 0 };
        schedule.limit = match last {
            Last::End(end) => schedule.integral(end - 1),
            Last::Never | Last::Repeat { .. } => schedule.integral(Nanos::MAX),
        };
        Ok(schedule)
    }

    /// Returns when event `n` is due. None if the trace ends before it.
    pub fn time(&self, n: u64) -> Option<Nanos> {
        self.locate(n).map(|stretch| stretch.start + stretch.offset())
    }

    /// Returns the number of events that are due before `time`, that is, those with `self.time(n) < time`.
    pub fn count(&self, time: Nanos) -> u64 {
        match self.clip(time).checked_sub(1) {
            Some(before) => whole_events(self.integral(before)).saturating_add(1),
            None => 0,
        }
    }

    /// Returns the rate at `time`, in events per second.
    pub fn rate(&self, time: Nanos) -> f64 {
        if self.end().is_some_and(|end| time >= end) {
            return 0.0;
        }
        let (_, time) = self.whole_periods(time);
        self.segments[self.segment_at(time)].rate as f64 / 1e6
    }

    /// Returns the lowest and the highest rate, in events per second, before the end of a trace.
    pub fn extremes(&self) -> (f64, f64) {
        let end = self.end().unwrap_or(Nanos::MAX);
        let rates = self.segments.iter().filter(|segment| segment.start < end);
        let rates = rates.map(|segment| segment.rate as f64 / 1e6);
        rates.fold((f64::MAX, 0.0), |(low, high), rate| (rate.min(low), rate.max(high)))
    }

    /// Returns the end of a trace. All its events are due before. The other shapes have no end.
    pub fn end(&self) -> Option<Nanos> {
        match self.last {
            Last::End(end) => Some(end),
            Last::Never | Last::Repeat { .. } => None,
        }
    }

    /// Returns how many consecutive events from `n` on are evenly spread, at most `max`. The times of the first and the
    /// last one of them give the times of all to within 2 ns. Returns 0 past the end of a trace.
    pub fn run(&self, n: u64, max: usize) -> usize {
        let events = self.locate(n).map_or(0, |stretch| (stretch.last - n).saturating_add(1));
        usize::try_from(events).map_or(max, |events| events.min(max))
    }

    /// Returns the times of consecutive events from `n` on. Each costs a nanosecond or two.
    pub fn cursor(&self, n: u64) -> Cursor<'_> {
        Cursor::new(self, n)
    }

    /// Returns the segment in which event `n` is due.
    pub(super) fn locate(&self, n: u64) -> Option<Stretch> {
        let target = u128::from(n) * EVENT;
        if target > self.limit {
            return None;
        }
        // An event that is due at the end of a period belongs to that period.
        let (time, base) = match self.last {
            Last::Repeat { period, total } => {
                let periods = target.saturating_sub(1) / total;
                ((periods * u128::from(period)) as Nanos, periods * total)
            }
            Last::Never | Last::End(_) => (0, 0),
        };
        // This is the last segment with a smaller integral before it. Its rate is not 0, since the integral grows in
        // it. Event 0 is the exception: it is due at 0 whatever the rate is.
        let within = target - base;
        let index = self.segments.partition_point(|segment| segment.before < within);
        let index = index.saturating_sub(1);
        let segment = self.segments[index];
        let reached = match (self.segments.get(index + 1), self.last) {
            (Some(next), _) => base + next.before,
            (None, Last::Repeat { total, .. }) => base + total,
            (None, Last::Never | Last::End(_)) => self.limit,
        };
        Some(Stretch {
            start: time + segment.start,
            rate: segment.rate,
            owed: within - segment.before,
            last: whole_events(reached.min(self.limit)),
        })
    }

    /// Returns the integral of the rate from 0 to `time`, which is not past the end.
    fn integral(&self, time: Nanos) -> Integral {
        let (base, time) = self.whole_periods(time);
        base + self.segments[self.segment_at(time)].until(time)
    }

    /// Returns the integral of the whole periods before `time`, and the time since the last of them.
    fn whole_periods(&self, time: Nanos) -> (Integral, Nanos) {
        match self.last {
            Last::Repeat { period, total } => (u128::from(time / period) * total, time % period),
            Last::Never | Last::End(_) => (0, time),
        }
    }

    fn segment_at(&self, time: Nanos) -> usize {
        self.segments.partition_point(|segment| segment.start <= time) - 1
    }

    fn clip(&self, time: Nanos) -> Nanos {
        self.end().map_or(time, |end| time.min(end))
    }
}

/// Checks a rate, and rounds it to millionths of an event per second.
fn micro_rate(which: &'static str, value: f64) -> Result<MicroRate, ScheduleError> {
    if !(0.0..=Schedule::MAX_RATE).contains(&value) {
        return Err(ScheduleError::Rate { which, value });
    }
    Ok((value * 1e6).round() as MicroRate)
}

/// Returns the number of whole events in an integral.
fn whole_events(integral: Integral) -> u64 {
    u64::try_from(integral / EVENT).unwrap_or(u64::MAX)
}
