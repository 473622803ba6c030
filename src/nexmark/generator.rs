//! The generator, which makes any range of events in any format.

use std::ops::Range;
use std::sync::Arc;

use super::bid_fields::BidFields;
use super::config::Config;
use super::event::Event;
use super::event_position::{EventPosition, Kind};
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

    /// Appends only the numbers of `events` to `batch`, with empty texts, for readers that draw the fields that they need
    /// themselves.
    pub fn fill_numbers(&self, events: Range<u64>, batch: &mut Batch) {
        let (before, count) = (batch.len(), (events.end - events.start) as usize);
        batch.numbers.extend_from(before, &Numbers::From(events.start), 0..count);
        let (bytes, ends) = batch.strings.parts_mut();
        ends.resize(before + count, bytes.len() as u32);
    }

    /// Calls `each` with the number and the fields of each bid of `events`. What `each` does not read is not drawn.
    #[inline(always)]
    pub fn bids(&self, events: Range<u64>, mut each: impl FnMut(u64, BidFields<'_>)) {
        let cycle = self.sampler.cycle();
        self.positions(events, |number, moment, position| {
            if position.kind(cycle) == Kind::Bid
                && let Draft::Bid(bid) = self.draft(moment, position)
            {
                each(number, bid.into());
            }
        });
    }

    /// Calls `each` with the number and the event of each person and each auction of `events`.
    pub fn people_and_auctions(&self, events: Range<u64>, mut each: impl FnMut(u64, Event)) {
        let cycle = self.sampler.cycle();
        self.positions(events, |number, moment, position| {
            if position.kind(cycle) != Kind::Bid {
                each(number, self.draft(moment, position).into());
            }
        });
    }

    /// Appends the bids of `events` to `batch` as CSV lines with their numbers.
    pub fn bid_lines(&self, events: Range<u64>, batch: &mut Batch) {
        let cycle = self.sampler.cycle();
        let mut stamp = Stamp::new();
        let (before, mut numbers) =
            (batch.len(), Vec::with_capacity((events.end - events.start) as usize));
        let (bytes, ends) = batch.strings.parts_mut();
        let mut at = bytes.len();
        self.positions(events, |number, moment, position| {
            if position.kind(cycle) != Kind::Bid {
                return;
            }
            self.room_for_a_line(bytes, at);
            let mut line = LineWriter::new(&mut bytes[at..]);
            csv::write(&self.draft(moment, position), &mut stamp, &mut line);
            at += line.len();
            ends.push(at as u32);
            numbers.push(number);
        });
        bytes.truncate(at);
        let added = numbers.len();
        batch.numbers.extend_from(before, &Numbers::Each(numbers), 0..added);
    }

    /// Returns the earliest event time that event `n` or a later one can have, in Unix milliseconds.
    pub fn earliest_from(&self, n: u64) -> u64 {
        self.sampler.earliest(self.timeline.earliest_from(n))
    }

    /// Returns when event `n` is due to leave the source, in milliseconds of event time.
    pub fn due_millis(&self, n: u64) -> u64 {
        self.timeline.time(n)
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
        let mut stamp = Stamp::new();
        let mut at = bytes.len();
        self.positions(events, |_, moment, position| {
            self.room_for_a_line(bytes, at);
            let mut line = LineWriter::new(&mut bytes[at..]);
            write(&self.draft(moment, position), &mut stamp, &mut line);
            at += line.len();
            at = end(bytes, at);
        });
        bytes.truncate(at);
    }

    /// Makes room for a line at `at`.
    #[inline(always)]
    fn room_for_a_line(&self, bytes: &mut Vec<u8>, at: usize) {
        if bytes.len() - at < self.longest_line {
            bytes.resize(at + self.longest_line + PAGE, 0);
        }
    }

    /// Calls `each` with the number, the moment and the position of each of `events`.
    #[inline(always)]
    fn positions(&self, events: Range<u64>, mut each: impl FnMut(u64, Moment, EventPosition)) {
        let cycle = self.sampler.cycle();
        let mut moments = self.timeline.moments(events.start);
        let mut position = None;
        for number in events {
            let moment = moments.next();
            let here = match position {
                Some(position) if self.timeline.is_in_order() => {
                    EventPosition::next(position, cycle)
                }
                _ => EventPosition::of(cycle, moment.id),
            };
            position = Some(here);
            each(number, moment, here);
        }
    }
}

/// Ends a line with a line break. Returns the start of the next one.
#[inline]
fn end_line(bytes: &mut [u8], at: usize) -> usize {
    bytes[at] = b'\n';
    at + 1
}
