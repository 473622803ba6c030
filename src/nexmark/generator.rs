//! The generator, which makes any range of events in any format.

use std::ops::Range;
use std::sync::Arc;

use super::config::Config;
use super::event::Event;
use super::event_position::EventPosition;
use super::event_sampler::{Draft, EventSampler, longest_line};
use super::line_writer::{LineWriter, Stamp};
use super::timeline::{Moment, Timeline};
use super::{csv, json};
use crate::batch::{Batch, Nanos, Numbers, Span};
use crate::schedule::Schedule;

/// The number of bytes by which the buffer grows. They are set to zero, and are still in the first level of the cache when
/// they are written.
const PAGE: usize = 8 * 1024;

/// Makes Nexmark events. It has no state: event n is the same in whatever order events are made, so all workers share one
/// generator.
///
/// ```
/// use std::sync::Arc;
/// use floodway::batch::Batch;
/// use floodway::nexmark::{Config, Event, Generator};
/// use floodway::schedule::{Schedule, Shape};
///
/// let schedule = Arc::new(Schedule::new(Shape::Constant, 1_000.0, 0.0, 0)?);
/// let generator = Generator::new(Config::default(), 1, schedule);
///
/// let mut batch = Batch::default();
/// generator.fill(0..100, &mut batch);
/// assert_eq!((batch.len(), batch.numbers.get(99)), (100, 99));
/// assert!(matches!(generator.event(0), Event::Person(person) if person.id == 1_000));
/// # Ok::<(), floodway::schedule::ScheduleError>(())
/// ```
#[derive(Debug)]
pub struct Generator {
    sampler: EventSampler,
    timeline: Timeline,
    longest_line: usize,
}

impl Generator {
    /// Creates a generator of the events of `seed`, each at its time in `schedule`.
    pub fn new(config: Config, seed: u64, schedule: Arc<Schedule>) -> Generator {
        Generator {
            timeline: Timeline::new(&config, schedule),
            longest_line: longest_line(&config),
            sampler: EventSampler::new(config, seed),
        }
    }

    /// Appends `events` to `batch` as CSV lines with their numbers. The span of the batch then goes from the scheduled time
    /// of its first record to that of its last one. If the times between matter, divide ranges by [`Schedule::run`].
    pub fn fill(&self, events: Range<u64>, batch: &mut Batch) {
        if events.is_empty() {
            return;
        }
        let before = batch.len();
        let last = self.due(events.end - 1);
        let first = if before == 0 { self.due(events.start) } else { batch.span.first };
        batch.span = Span { first, last };
        let count = (events.end - events.start) as usize;
        batch.numbers.extend_from(before, &Numbers::From(events.start), 0..count);

        let (bytes, ends) = batch.strings.parts_mut();
        ends.reserve(count);
        self.write(events, bytes, csv::write, |bytes, end| {
            debug_assert!(u32::try_from(end).is_ok(), "a batch is far below 4 GiB");
            ends.push(end as u32);
            let _ = bytes;
            end
        });
    }

    /// Appends `events` to `lines` as CSV, each with a line break.
    pub fn csv_lines(&self, events: Range<u64>, lines: &mut Vec<u8>) {
        self.write(events, lines, csv::write, end_line);
    }

    /// Appends `events` to `lines` as JSON, each with a line break.
    pub fn json_lines(&self, events: Range<u64>, lines: &mut Vec<u8>) {
        self.write(events, lines, json::write, end_line);
    }

    /// Appends event `n` to `json` as one JSON object.
    pub fn json(&self, n: u64, json: &mut Vec<u8>) {
        self.write(n..n + 1, json, json::write, |_, end| end);
    }

    /// Returns event `n` as a typed value.
    pub fn event(&self, n: u64) -> Event {
        let moment = self.timeline.moment(n);
        self.draft(moment, EventPosition::of(self.sampler.cycle(), moment.id)).into()
    }

    /// Returns when event `n` is due to leave the source.
    fn due(&self, n: u64) -> Nanos {
        self.timeline.due(n)
    }

    #[inline(always)]
    fn draft(&self, moment: Moment, position: EventPosition) -> Draft<'_> {
        self.sampler.draw(&self.timeline, moment, position)
    }

    /// Appends `events` to `bytes`, each by `write`. `end` gets the end of an event and returns the start of the next one.
    #[inline(always)]
    fn write(
        &self,
        events: Range<u64>,
        bytes: &mut Vec<u8>,
        write: impl Fn(&Draft<'_>, &mut Stamp, &mut LineWriter<'_>),
        mut end: impl FnMut(&mut [u8], usize) -> usize,
    ) {
        let cycle = self.sampler.cycle();
        let mut moments = self.timeline.moments(events.start);
        let mut position = None;
        let mut stamp = Stamp::new();
        let mut at = bytes.len();
        for _ in events {
            let moment = moments.next();
            let here = match position {
                Some(position) if self.timeline.is_in_order() => {
                    EventPosition::next(position, cycle)
                }
                _ => EventPosition::of(cycle, moment.id),
            };
            position = Some(here);
            if bytes.len() - at < self.longest_line {
                bytes.resize(at + self.longest_line + PAGE, 0);
            }
            let mut line = LineWriter::new(&mut bytes[at..]);
            write(&self.draft(moment, here), &mut stamp, &mut line);
            at += line.len();
            at = end(bytes, at);
        }
        bytes.truncate(at);
    }
}

/// Ends a line with a line break. Returns the start of the next one.
#[inline]
fn end_line(bytes: &mut [u8], at: usize) -> usize {
    bytes[at] = b'\n';
    at + 1
}
