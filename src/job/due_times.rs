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

/// The schedules of what a worker's producers (the parsers, and each stage) have emitted, by epoch.
///
/// A record between two stages has no schedule of its own: the operators between them may be any. It stems from
/// records of the same epoch that the stages before have emitted, and channels keep their order. So records that arrive
/// have the schedules of what was emitted, one after the other, as many for each as there were results on average.
/// What was emitted before the consumer last looked has been taken. Where nothing was emitted on this worker, such as
/// before an exchange, the records of an epoch are scheduled during the epoch.
#[derive(Clone)]
pub(super) struct DueTimes(Rc<RefCell<Inner>>);

struct Inner {
    clock: Clock,
    /// The length of an epoch, if epochs have one.
    epoch: Option<Nanos>,
    consumers: Vec<Consumer>,
}

/// A stage or the output, which takes what the producers before it emit.
struct Consumer {
    producers: Vec<usize>,
    epochs: BTreeMap<u64, Emitted>,
    /// Records that were emitted, and records that arrived for them. The recent ones count more.
    emitted: f64,
    received: f64,
}

/// What the producers have emitted of an epoch for a consumer, and how far it has come in that.
#[derive(Default)]
struct Emitted {
    records: u64,
    /// Schedules of the newest records, each with how many records had been emitted at its end.
    spans: VecDeque<(u64, Span)>,
    /// How many records had been emitted before these.
    forgotten: u64,
    /// The emitted record from which the next one stems that arrives.
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

/// Returns the number of the producer that a stage is.
pub(super) fn of_stage(number: usize) -> usize {
    number + 1
}

impl DueTimes {
    pub(super) fn new(clock: Clock, epoch: Option<Duration>) -> Self {
        let epoch = epoch.map(|epoch| epoch.as_nanos() as Nanos);
        DueTimes(Rc::new(RefCell::new(Inner { clock, epoch, consumers: Vec::new() })))
    }

    /// Adds a consumer of what `producers` emit. Returns its number.
    pub(super) fn add_consumer(&self, producers: Vec<usize>) -> usize {
        let consumers = &mut self.0.borrow_mut().consumers;
        let epochs = BTreeMap::new();
        consumers.push(Consumer { producers, epochs, emitted: 0.0, received: 0.0 });
        consumers.len() - 1
    }

    /// Notes that `producer` has emitted `records` of `epoch` that were scheduled at `span`.
    pub(super) fn emitted(&self, producer: usize, epoch: u64, records: usize, span: Span) {
        for consumer in &mut self.0.borrow_mut().consumers {
            if consumer.producers.contains(&producer) {
                consumer.epochs.entry(epoch).or_default().add(records, span);
            }
        }
    }

    /// Calls `each` with when `records` of `epoch` were scheduled that arrive now at a `consumer`: in their order, how
    /// many records have which schedule.
    pub(super) fn of(
        &self,
        consumer: usize,
        epoch: u64,
        records: usize,
        each: &mut dyn FnMut(usize, Span),
    ) {
        let inner = &mut *self.0.borrow_mut();
        if !inner.consumers[consumer].take(epoch, records, each) {
            each(records, inner.during(epoch));
        }
    }

    /// Forgets what was emitted before `epoch`.
    pub(super) fn forget_before(&self, epoch: u64) {
        for consumer in &mut self.0.borrow_mut().consumers {
            consumer.epochs = consumer.epochs.split_off(&epoch);
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
    /// Takes `records` of `epoch` that arrive, and calls `each` with their schedules. Returns whether these are known.
    fn take(&mut self, epoch: u64, records: usize, each: &mut dyn FnMut(usize, Span)) -> bool {
        let Some(of_epoch) = self.epochs.get_mut(&epoch) else { return false };
        if of_epoch.records > of_epoch.seen {
            self.emitted += (of_epoch.seen - of_epoch.seen_before) as f64;
            self.received += of_epoch.received as f64;
            if self.emitted > COUNTED {
                (self.emitted, self.received) = (self.emitted / 2.0, self.received / 2.0);
            }
        }
        let is_known = self.emitted > 0.0 && self.received > 0.0;
        let stem_from_each = if is_known { self.received / self.emitted } else { 1.0 };
        let range = of_epoch.advance(records, stem_from_each);
        of_epoch.schedules(range, records, each);
        true
    }
}

impl Emitted {
    fn add(&mut self, records: usize, span: Span) {
        self.records += records as u64;
        self.spans.push_back((self.records, span));
        if self.spans.len() > KEPT
            && let Some((until, _)) = self.spans.pop_front()
        {
            self.forgotten = until;
        }
    }

    /// Returns from which of the emitted records the next `records` stem.
    fn advance(&mut self, records: usize, stem_from_each: f64) -> Range<f64> {
        if self.records > self.seen {
            (self.seen_before, self.seen, self.received) = (self.seen, self.records, 0);
        }
        self.received += records;
        let (first, last) = (self.seen_before as f64, self.records as f64);
        let width = (records as f64 / stem_from_each).min(last - first);
        let start = self.position.clamp(first, last - width);
        self.position = start + width;
        start..self.position
    }

    /// Calls `each` with the schedules of `records` that stem from `range` of the emitted records.
    fn schedules(&self, range: Range<f64>, records: usize, each: &mut dyn FnMut(usize, Span)) {
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

    fn take(due: &DueTimes, consumer: usize, epoch: u64, records: usize) -> Vec<(usize, Span)> {
        let mut parts = Vec::new();
        due.of(consumer, epoch, records, &mut |records, span| parts.push((records, span)));
        parts
    }

    #[test]
    fn records_have_the_schedules_of_what_the_stage_before_them_emitted_in_its_order() {
        let due = due_times();
        let [first, second] = [PARSERS, 1].map(|producer| due.add_consumer(vec![producer]));
        due.emitted(PARSERS, 7, 10, span(700, 704));
        assert_eq!(take(&due, first, 7, 10), [(10, span(700, 704))]);
        // The worker's oldest record, and a newer one from the remote side.
        due.emitted(1, 7, 4, span(700, 703));
        due.emitted(1, 7, 2, span(712, 713));
        assert_eq!(take(&due, second, 7, 5), [(4, span(700, 703)), (1, span(712, 712))]);
        assert_eq!(take(&due, second, 7, 1), [(1, span(713, 713))]);
        // Of an epoch of which nothing was emitted here, no more is known.
        let [(3, unknown)] = take(&due, second, 0, 3)[..] else { panic!("one schedule") };
        assert!(unknown.first == 0 && unknown.last <= 100 * MS);
        due.forget_before(8);
        assert!(due.0.borrow().consumers.iter().all(|consumer| consumer.epochs.is_empty()));
    }

    #[test]
    fn branches_have_the_schedules_of_what_feeds_them() {
        let due = due_times();
        let even = due.add_consumer(vec![PARSERS]);
        let odd = due.add_consumer(vec![PARSERS]);
        let all = due.add_consumer(vec![1, 2]);
        due.emitted(PARSERS, 7, 2, span(700, 701));
        assert_eq!(take(&due, even, 7, 2), [(2, span(700, 701))]);
        due.emitted(1, 7, 1, span(690, 690));
        // What its sibling emits is not for it.
        assert_eq!(take(&due, odd, 7, 2), [(2, span(700, 701))]);
        due.emitted(2, 7, 1, span(701, 701));
        assert_eq!(take(&due, all, 7, 2), [(1, span(690, 690)), (1, span(701, 701))]);
    }

    #[test]
    fn the_number_of_results_of_a_record_is_measured() {
        let due = due_times();
        let consumer = due.add_consumer(vec![1]);
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
                    let taken = take(&due, consumer, epoch, records);
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
        let consumer = due.add_consumer(vec![1]);
        // All records pass at first, and then a filter drops most of them.
        due.emitted(1, 0, 1_000, span(0, 10));
        take(&due, consumer, 0, 1_000);
        for round in 1..10 {
            due.emitted(1, 0, 1_000, span(round * 10, round * 10 + 9));
            let taken = take(&due, consumer, 0, 10);
            let oldest = taken.iter().map(|(_, span)| span.first).min().unwrap();
            assert!(oldest >= (round - 1) * 10 * MS, "{round}: {taken:?}");
        }
    }

    #[test]
    fn only_the_newest_schedules_are_kept() {
        let due = due_times();
        let consumer = due.add_consumer(vec![1]);
        for record in 0..3 * KEPT as u64 {
            due.emitted(1, 0, 1, span(record, record));
        }
        let taken = take(&due, consumer, 0, 3 * KEPT);
        assert_eq!(taken.iter().map(|(records, _)| records).sum::<usize>(), 3 * KEPT);
        assert_eq!(due.0.borrow().consumers[consumer].epochs[&0].spans.len(), KEPT);
    }
}
