//! The points of the plots: of the whole run, and finer ones of its last two minutes. Their memory is
//! bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::sample::{Breaker, Sample};
use crate::batch::Nanos;
use crate::observe::{HistogramSnapshot, Slot, TimeSlots, WaitTimes, quantile_ms};

/// The number of points in a plot, which is more than a screen shows.
const MAX_POINTS: usize = 600;

/// The length of a point in the last two minutes.
const FINE: Nanos = 200_000_000;

/// The changes between two samples, or over several such intervals, and the state at the end.
#[derive(Clone, Debug, Default)]
struct Point {
    until: Nanos,
    length: Nanos,
    due: u64,
    emitted: u64,
    local: u64,
    remote: u64,
    home: u64,
    bad: u64,
    late_results: u64,
    throttled: u64,
    failed: u64,
    latency: Vec<(u16, u64)>,
    useful: Nanos,
    cpu: Nanos,
    waited: WaitTimes,
    writer: Nanos,
    queued: u64,
    in_flight: u64,
    requests: u64,
    limit: u64,
    breaker: Breaker,
    late: Nanos,
    cost: f64,
    epochs: u64,
}

impl Slot for Point {
    fn join(&mut self, later: &Self) {
        if later.length == 0 {
            return;
        }
        let (first, last) = (std::mem::take(self), later);
        let mut waited = first.waited;
        waited.iter_mut().zip(last.waited).for_each(|(sum, more)| *sum += more);
        *self = Point {
            until: last.until,
            length: first.length + last.length,
            due: first.due + last.due,
            emitted: first.emitted + last.emitted,
            local: first.local + last.local,
            remote: first.remote + last.remote,
            home: first.home + last.home,
            bad: first.bad + last.bad,
            late_results: first.late_results + last.late_results,
            throttled: first.throttled + last.throttled,
            failed: first.failed + last.failed,
            latency: merged(&first.latency, &last.latency),
            useful: first.useful + last.useful,
            cpu: first.cpu + last.cpu,
            waited,
            writer: first.writer + last.writer,
            // A state that is shorter than a point would be missed otherwise.
            breaker: first.breaker.max(last.breaker),
            late: first.late.max(last.late),
            queued: last.queued,
            in_flight: last.in_flight,
            requests: last.requests,
            limit: last.limit,
            cost: last.cost,
            epochs: last.epochs,
        };
    }

    fn add(&mut self, other: &Self) {
        self.join(other);
    }
}

fn merged(one: &[(u16, u64)], other: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let mut all = [one, other].concat();
    all.sort_unstable_by_key(|(bucket, _)| *bucket);
    all.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        kept.1 += if is_same { later.1 } else { 0 };
        is_same
    });
    all
}

/// The points of a run.
#[derive(Debug, Default)]
pub(super) struct Series {
    whole: TimeSlots<Point, MAX_POINTS>,
    recent: VecDeque<Point>,
    before: Option<Before>,
}

/// The sample that the next one is compared with.
#[derive(Debug)]
struct Before {
    sample: Arc<Sample>,
    latency: HistogramSnapshot,
}

impl Series {
    /// Adds a sample.
    pub(super) fn take(&mut self, sample: &Arc<Sample>) {
        let latency = sample.snapshot.latency();
        let now = Before { sample: Arc::clone(sample), latency };
        let before = self.before.replace(now);
        let empty = Before { sample: Arc::default(), latency: HistogramSnapshot::default() };
        let (before, now) = (before.unwrap_or(empty), self.before.as_ref());
        let Some(point) = now.and_then(|now| point(&before, now)) else { return };
        let middle = point.until - point.length / 2;
        self.whole.at(middle).join(&point);
        match self.recent.back_mut() {
            Some(last) if last.length < FINE => last.join(&point),
            _ => self.recent.push_back(point),
        }
        while self.recent.len() > MAX_POINTS {
            self.recent.pop_front();
        }
    }

    /// Returns the points as columns, of the whole run or of the last two minutes.
    pub(super) fn columns(&self, whole: bool) -> Columns {
        let mut columns = Columns::default();
        let points: Box<dyn Iterator<Item = &Point>> = match whole {
            true => Box::new(self.whole.all().iter()),
            false => Box::new(self.recent.iter()),
        };
        // Nothing is known of a time without samples.
        points.filter(|point| point.length > 0).for_each(|point| columns.push(point));
        columns
    }
}

fn point(before: &Before, now: &Before) -> Option<Point> {
    let (was, is) = (&before.sample, &now.sample);
    let length = is.at.checked_sub(was.at).filter(|length| *length > 0)?;
    let (counted, counts) = (was.snapshot.counts, is.snapshot.counts);
    let remote = is.remote().unwrap_or_default();
    let remote_was = was.remote().unwrap_or_default();
    let mut waited = is.snapshot.waited;
    waited
        .iter_mut()
        .zip(was.snapshot.waited)
        .for_each(|(now, before)| *now = now.saturating_sub(before));
    Some(Point {
        until: is.at,
        length,
        due: is.due.unwrap_or(0).saturating_sub(was.due.unwrap_or(0)),
        emitted: is.snapshot.emitted - was.snapshot.emitted,
        local: counts.by_workers() - counted.by_workers(),
        remote: counts.remote - counted.remote,
        home: counts.home - counted.home,
        bad: counts.bad - counted.bad,
        late_results: is.snapshot.on_time_since(&was.snapshot).late,
        throttled: remote.counters.throttled - remote_was.counters.throttled,
        failed: remote.counters.failed - remote_was.counters.failed,
        latency: now.latency.since(&before.latency),
        useful: is.snapshot.useful_ns - was.snapshot.useful_ns,
        cpu: is.snapshot.cpu_ns.saturating_sub(was.snapshot.cpu_ns),
        waited,
        writer: is.writer.busy_ns - was.writer.busy_ns,
        queued: is.snapshot.backlog.saturating_sub(is.snapshot.in_flight),
        in_flight: is.snapshot.in_flight,
        requests: remote.counters.in_flight,
        limit: remote.limit,
        breaker: remote.breaker,
        late: is.late_ns(),
        cost: remote.cost_usd,
        epochs: is.epochs,
    })
}

/// Points as columns of the same length. `docs/live.md` describes each.
#[derive(Debug, Default, Serialize)]
pub(super) struct Columns {
    t_s: Vec<f64>,
    length_s: Vec<f64>,
    due_eps: Vec<f64>,
    offered_eps: Vec<f64>,
    local_eps: Vec<f64>,
    remote_eps: Vec<f64>,
    home_eps: Vec<f64>,
    bad_eps: Vec<f64>,
    late_eps: Vec<f64>,
    throttled_per_s: Vec<f64>,
    failed_per_s: Vec<f64>,
    p50_ms: Vec<Option<f64>>,
    p99_ms: Vec<Option<f64>>,
    busy_task: Vec<f64>,
    busy_cpu: Vec<f64>,
    wait_backlog: Vec<f64>,
    wait_writer: Vec<f64>,
    wait_commit: Vec<f64>,
    busy_writer: Vec<f64>,
    queued: Vec<u64>,
    in_flight: Vec<u64>,
    requests_in_flight: Vec<u64>,
    requests_limit: Vec<u64>,
    breaker: Vec<u8>,
    late_s: Vec<f64>,
    cost_usd: Vec<f64>,
    epochs: Vec<u64>,
}

impl Columns {
    fn push(&mut self, point: &Point) {
        let seconds = point.length as f64 / 1e9;
        let rate = |records: u64| rounded(records as f64 / seconds, 1e1);
        let share = |nanos: Nanos| rounded(nanos as f64 / point.length as f64, 1e4);
        let of_time = |nanos: Nanos| rounded(nanos as f64 / 1e9, 1e3);
        self.t_s.push(of_time(point.until - point.length));
        self.length_s.push(rounded(seconds, 1e3));
        self.due_eps.push(rate(point.due));
        self.offered_eps.push(rate(point.emitted));
        self.local_eps.push(rate(point.local));
        self.remote_eps.push(rate(point.remote));
        self.home_eps.push(rate(point.home));
        self.bad_eps.push(rate(point.bad));
        self.late_eps.push(rate(point.late_results));
        self.throttled_per_s.push(rate(point.throttled));
        self.failed_per_s.push(rate(point.failed));
        self.p50_ms.push(quantile_ms(&point.latency, 0.5));
        self.p99_ms.push(quantile_ms(&point.latency, 0.99));
        self.busy_task.push(share(point.useful));
        self.busy_cpu.push(share(point.cpu));
        let [backlog, writer, commit] = point.waited;
        self.wait_backlog.push(share(backlog));
        self.wait_writer.push(share(writer));
        self.wait_commit.push(share(commit));
        self.busy_writer.push(share(point.writer).min(1.0));
        self.queued.push(point.queued);
        self.in_flight.push(point.in_flight);
        self.requests_in_flight.push(point.requests);
        self.requests_limit.push(point.limit);
        self.breaker.push(point.breaker as u8);
        self.late_s.push(of_time(point.late));
        self.cost_usd.push(rounded(point.cost, 1e8));
        self.epochs.push(point.epochs);
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use crate::observe::ProcessStats;
    use crate::policy::Route;

    const POLL_INTERVAL: Nanos = 100_000_000;

    #[test]
    fn a_run_of_days_keeps_its_sums_in_few_points() {
        let stats = ProcessStats::watched(1, false, true, None);
        let mut series = Series::default();
        let (looks, span) = (20_000, Span { first: 0, last: 0 });
        for look in 1..=looks {
            stats.worker(0).results(Route::Local, span, 10, 5_000_000, false);
            stats.worker(0).results(Route::Remote, span, 1, 50_000_000, false);
            let snapshot = stats.snapshot();
            let at = look * POLL_INTERVAL;
            let sample = Sample { at, schedule: at, snapshot, epochs: look, ..Sample::default() };
            series.take(&Arc::new(sample));
        }
        for (whole, time) in [(true, looks * POLL_INTERVAL), (false, 600 * FINE)] {
            let columns = series.columns(whole);
            assert!(columns.t_s.len() <= MAX_POINTS, "{}", columns.t_s.len());
            let times = columns.length_s.iter().sum::<f64>();
            assert!((times - time as f64 / 1e9).abs() < 0.3, "{times}");
            let sum = |rates: &[f64]| -> f64 {
                rates.iter().zip(&columns.length_s).map(|(rate, length)| rate * length).sum()
            };
            let rate = sum(&columns.local_eps) / times;
            assert!((rate - 100.0).abs() < 0.1, "{rate}");
            assert!((sum(&columns.remote_eps) / times - 10.0).abs() < 0.1);
            assert_eq!(columns.epochs.last(), Some(&looks));
            for (p50, p99) in columns.p50_ms.iter().zip(&columns.p99_ms) {
                assert_eq!((p50.unwrap().round(), p99.unwrap().round()), (5.0, 51.0));
            }
        }
        // A late sample makes a longer point, and no gap.
        let at = (looks + 50) * POLL_INTERVAL;
        let sample = Sample { at, snapshot: stats.snapshot(), ..Sample::default() };
        series.take(&Arc::new(sample));
        assert_eq!(series.columns(false).length_s.last(), Some(&5.0));
    }
}
