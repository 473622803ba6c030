//! When the records of a dataflow were scheduled, as far as that is known where an operator of the user's has
//! made new records of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use crate::batch::{Nanos, Span};
use crate::clock::Clock;
use crate::operators::{Observer, Route};

/// The schedule of what a worker's producers (the parsers, and then each stage) have emitted, by epoch.
///
/// A record between two stages has no schedule of its own: the operators between them may be any. It stems from
/// records of the same epoch that the stage before has emitted, and channels keep their order. So records that arrive
/// have the schedules of what was emitted, one after the other, as many for each as there were results on average.
/// What was emitted before the consumer last looked has been taken. Where nothing was emitted on this worker, such as
/// before an exchange, the records of an epoch are scheduled during the epoch.
#[derive(Clone)]
pub(super) struct DueTimes(Rc<RefCell<Inner>>);

struct Inner {
    clock: Clock,
    /// The length of an epoch, if epochs have one.
    epoch: Option<Nanos>,
    /// What each producer emitted, by epoch.
    producers: Vec<BTreeMap<u64, Emitted>>,
    /// The consumers, by the number of producers before them.
    consumers: Vec<Consumer>,
}

/// What a producer emitted of an epoch.
#[derive(Default)]
struct Emitted {
    records: u64,
    /// Schedules of the newest records, each with how many records had been emitted at its end.
    spans: VecDeque<(u64, Span)>,
    /// How many records had been emitted before these.
    forgotten: u64,
}

/// A stage or the output, which takes what the producer before it emitted.
#[derive(Default)]
struct Consumer {
    cursors: BTreeMap<u64, Cursor>,
    /// Records that were emitted, and records that arrived for them. The recent ones count more.
    emitted: f64,
    received: f64,
}

/// How far a consumer has come in what a producer emitted of an epoch.
#[derive(Clone, Copy, Default)]
struct Cursor {
    producer: usize,
    /// The emitted record from which the next one stems.
    position: f64,
    /// How many records had been emitted when the consumer last looked, and when it looked before there were new ones.
    seen: u64,
    seen_before: u64,
    /// Records that have arrived since there were new ones.
    received: usize,
}

/// How many schedules of an epoch are kept.
const KEPT: usize = 4_096;

/// From how many emitted records on the older ones count half.
const COUNTED: f64 = 100_000.0;

/// The number of the producer that all parsers are.
pub(super) const PARSERS: usize = 0;

impl DueTimes {
    pub(super) fn new(clock: Clock, epoch: Option<Duration>) -> Self {
        let epoch = epoch.map(|epoch| epoch.as_nanos() as Nanos);
        let (producers, consumers) = (Vec::new(), Vec::new());
        DueTimes(Rc::new(RefCell::new(Inner { clock, epoch, producers, consumers })))
    }

    /// Notes that `producer` has emitted `records` of `epoch` that were scheduled at `span`.
    pub(super) fn emitted(&self, producer: usize, epoch: u64, records: usize, span: Span) {
        let producers = &mut self.0.borrow_mut().producers;
        if producers.len() <= producer {
            producers.resize_with(producer + 1, BTreeMap::new);
        }
        let emitted = producers[producer].entry(epoch).or_default();
        emitted.records += records as u64;
        emitted.spans.push_back((emitted.records, span));
        if emitted.spans.len() > KEPT
            && let Some((until, _)) = emitted.spans.pop_front()
        {
            emitted.forgotten = until;
        }
    }

    /// Calls `each` with when `records` of `epoch` were scheduled that arrive now from the producers `before` this
    /// consumer: in their order, how many records have which schedule.
    pub(super) fn of(
        &self,
        before: usize,
        epoch: u64,
        records: usize,
        each: &mut dyn FnMut(usize, Span),
    ) {
        let inner = &mut *self.0.borrow_mut();
        let mut earlier = inner.producers.iter().enumerate().take(before).rev();
        let Some((producer, emitted)) =
            earlier.find_map(|(number, epochs)| Some((number, epochs.get(&epoch)?)))
        else {
            return each(records, inner.during(epoch));
        };
        if inner.consumers.len() <= before {
            inner.consumers.resize_with(before + 1, Consumer::default);
        }
        let range = inner.consumers[before].take((producer, epoch), emitted, records);
        emitted.schedules(range, records, each);
    }

    /// Forgets what was emitted before `epoch`.
    pub(super) fn forget_before(&self, epoch: u64) {
        let inner = &mut *self.0.borrow_mut();
        for epochs in &mut inner.producers {
            *epochs = epochs.split_off(&epoch);
        }
        for consumer in &mut inner.consumers {
            consumer.cursors = consumer.cursors.split_off(&epoch);
        }
    }
}

impl Inner {
    /// Returns when the records of `epoch` were scheduled of which nothing is known.
    fn during(&self, epoch: u64) -> Span {
        let now = self.clock.now();
        match self.epoch {
            Some(length) => {
                let first = epoch.saturating_mul(length).min(now);
                Span { first, last: first.saturating_add(length).min(now) }
            }
            None => Span::at(now),
        }
    }
}

impl Consumer {
    /// Takes `records` that stem from what `producer` emitted of `epoch`. Returns from which of the emitted records.
    fn take(
        &mut self,
        (producer, epoch): (usize, u64),
        emitted: &Emitted,
        records: usize,
    ) -> Range<f64> {
        let cursor = self.cursors.entry(epoch).or_default();
        if cursor.producer != producer {
            *cursor = Cursor { producer, ..Cursor::default() };
        }
        if emitted.records > cursor.seen {
            self.emitted += (cursor.seen - cursor.seen_before) as f64;
            self.received += cursor.received as f64;
            if self.emitted > COUNTED {
                (self.emitted, self.received) = (self.emitted / 2.0, self.received / 2.0);
            }
            (cursor.seen_before, cursor.seen) = (cursor.seen, emitted.records);
            cursor.received = 0;
        }
        cursor.received += records;
        let is_known = self.emitted > 0.0 && self.received > 0.0;
        let stem_from_each = if is_known { self.received / self.emitted } else { 1.0 };
        let (first, last) = (cursor.seen_before as f64, emitted.records as f64);
        let width = (records as f64 / stem_from_each).min(last - first);
        let start = cursor.position.clamp(first, last - width);
        cursor.position = start + width;
        start..cursor.position
    }
}

impl Emitted {
    /// Calls `each` with the schedules of `records` that stem from `range` of the emitted records.
    fn schedules(&self, range: Range<f64>, records: usize, mut each: impl FnMut(usize, Span)) {
        let stem_from_each = records as f64 / (range.end - range.start).max(1e-9);
        let first = self.spans.partition_point(|(until, _)| *until as f64 <= range.start);
        let (mut passed, mut left) = (range.start, records);
        let mut spans = self.spans.range(first.min(self.spans.len() - 1)..).peekable();
        let before = first.checked_sub(1).map(|before| self.spans[before].0);
        let mut start = before.unwrap_or(self.forgotten);
        while let Some(&(until, span)) = spans.next() {
            let upto = range.end.min(until as f64);
            let count = ((upto - passed).max(0.0) * stem_from_each).round() as usize;
            let is_last = upto == range.end || spans.peek().is_none();
            let count = if is_last { left } else { count.min(left) };
            if count > 0 {
                let of = until.saturating_sub(start) as usize;
                let within = |position: f64| (position - start as f64).max(0.0);
                let part = within(passed) as usize..(within(upto).ceil() as usize).min(of);
                each(count, span.slice(&part, of));
                left -= count;
            }
            if is_last {
                return;
            }
            (passed, start) = (upto, until);
        }
    }
}

/// The observer of a stage that notes what the stage emits.
pub(crate) struct Producer(DueTimes, usize);

impl Producer {
    pub(super) fn new(due: &DueTimes, number: usize) -> Self {
        Producer(due.clone(), number)
    }
}

impl Observer<u64> for Producer {
    fn results(&mut self, epoch: &u64, _: Route, scheduled: Span, records: usize, _: Nanos) {
        self.0.emitted(self.1, *epoch, records, scheduled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn span(first: Nanos, last: Nanos) -> Span {
        Span { first: first * MS, last: last * MS }
    }

    fn due_times() -> DueTimes {
        DueTimes::new(Clock::default(), Some(Duration::from_millis(100)))
    }

    fn take(due: &DueTimes, before: usize, epoch: u64, records: usize) -> Vec<(usize, Span)> {
        let mut parts = Vec::new();
        due.of(before, epoch, records, &mut |records, span| parts.push((records, span)));
        parts
    }

    #[test]
    fn records_have_the_schedules_of_what_the_stage_before_them_emitted_in_its_order() {
        let due = due_times();
        due.emitted(PARSERS, 7, 10, span(700, 704));
        assert_eq!(take(&due, 1, 7, 10), [(10, span(700, 704))]);
        // The worker's oldest record, and a newer one from the remote side.
        due.emitted(1, 7, 4, span(700, 703));
        due.emitted(1, 7, 2, span(712, 713));
        assert_eq!(take(&due, 2, 7, 5), [(4, span(700, 703)), (1, span(712, 712))]);
        assert_eq!(take(&due, 2, 7, 1), [(1, span(713, 713))]);
        // A stage does not see what it emits itself.
        due.emitted(2, 7, 1, span(700, 700));
        assert_eq!(take(&due, 3, 7, 1), [(1, span(700, 700))]);
        // Of an epoch of which nothing was emitted here, no more is known.
        let [(3, unknown)] = take(&due, 2, 0, 3)[..] else { panic!("one schedule") };
        assert!(unknown.first == 0 && unknown.last <= 100 * MS);
        due.forget_before(8);
        assert!(due.0.borrow().producers.iter().all(BTreeMap::is_empty));
        assert!(due.0.borrow().consumers.iter().all(|consumer| consumer.cursors.is_empty()));
    }

    #[test]
    fn the_number_of_results_of_a_record_is_measured() {
        let due = due_times();
        for epoch in 0..20 {
            for round in 0..50 {
                let at = epoch * 100 + round * 2;
                due.emitted(1, epoch, 10, span(at, at + 1));
                // Three results of each record, now and then in two parts. The next epoch has begun.
                let parts: Vec<_> = match round % 3 {
                    0 => vec![(7, 0), (23, 1)],
                    _ => vec![(30, 0)],
                };
                for (records, _) in parts {
                    let taken = take(&due, 2, epoch, records);
                    assert_eq!(taken.iter().map(|(records, _)| records).sum::<usize>(), records);
                    if epoch > 0 {
                        let of_round = |(_, found): &(usize, Span)| {
                            at * MS <= found.first && found.last <= (at + 1) * MS
                        };
                        assert!(taken.iter().all(of_round), "{epoch} {round}: {taken:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_emitted_before_the_last_look_has_been_taken() {
        let due = due_times();
        // All records pass at first, and then a filter drops most of them.
        due.emitted(1, 0, 1_000, span(0, 10));
        take(&due, 2, 0, 1_000);
        for round in 1..10 {
            due.emitted(1, 0, 1_000, span(round * 10, round * 10 + 9));
            let taken = take(&due, 2, 0, 10);
            let oldest = taken.iter().map(|(_, span)| span.first).min().unwrap();
            assert!(oldest >= (round - 1) * 10 * MS, "{round}: {taken:?}");
        }
    }

    #[test]
    fn only_the_newest_schedules_are_kept() {
        let due = due_times();
        for record in 0..3 * KEPT as u64 {
            due.emitted(1, 0, 1, span(record, record));
        }
        let taken = take(&due, 2, 0, 3 * KEPT);
        assert_eq!(taken.iter().map(|(records, _)| records).sum::<usize>(), 3 * KEPT);
        assert_eq!(due.0.borrow().producers[1][&0].spans.len(), KEPT);
    }
}
