//! When the records of a dataflow were scheduled, as far as that is known where an operator of the user's has
//! made new records of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::batch::{Nanos, Span};
use crate::clock::Clock;
use crate::operators::{Observer, Route};

/// The schedule of what a worker's producers (the parsers, and then each stage) have emitted last, by epoch.
///
/// A record between two stages has no schedule of its own: the operators between them may be any. It stems from
/// records of the same epoch that the stage before has emitted at about the same time, so it has their schedule.
/// Where that is not known, such as after an exchange, the records of an epoch are scheduled during the epoch.
#[derive(Clone)]
pub(super) struct DueTimes(Rc<RefCell<Inner>>);

struct Inner {
    clock: Clock,
    /// The length of an epoch, if epochs have one.
    epoch: Option<Nanos>,
    /// What each producer emitted, by epoch.
    producers: Vec<BTreeMap<u64, Emitted>>,
}

#[derive(Clone, Copy)]
struct Emitted {
    since: Nanos,
    span: Span,
}

/// The time after which the operators behind a producer have taken what it emitted: some slices of a worker.
const TAKEN_AFTER: Nanos = 2_000_000;

/// The number of the producer that all parsers are.
pub(super) const PARSERS: usize = 0;

impl DueTimes {
    pub(super) fn new(clock: Clock, epoch: Option<Duration>) -> Self {
        let epoch = epoch.map(|epoch| epoch.as_nanos() as Nanos);
        DueTimes(Rc::new(RefCell::new(Inner { clock, epoch, producers: Vec::new() })))
    }

    /// Notes that `producer` has emitted records of `epoch` that were scheduled at `span`.
    pub(super) fn emitted(&self, producer: usize, epoch: u64, span: Span, now: Nanos) {
        let producers = &mut self.0.borrow_mut().producers;
        if producers.len() <= producer {
            producers.resize_with(producer + 1, BTreeMap::new);
        }
        let new = Emitted { since: now, span };
        let known = producers[producer].entry(epoch).or_insert(new);
        if now.saturating_sub(known.since) > TAKEN_AFTER {
            *known = new;
        } else {
            known.span.first = known.span.first.min(span.first);
            known.span.last = known.span.last.max(span.last);
        }
    }

    /// Returns when the records of `epoch` were scheduled that arrive now from the producers `before` this one.
    pub(super) fn of(&self, before: usize, epoch: u64) -> Span {
        let inner = self.0.borrow();
        let earlier = inner.producers.iter().take(before).rev();
        if let Some(emitted) = earlier.filter_map(|epochs| epochs.get(&epoch)).next() {
            return emitted.span;
        }
        let now = inner.clock.now();
        match inner.epoch {
            Some(length) => {
                let first = epoch.saturating_mul(length).min(now);
                Span { first, last: first.saturating_add(length).min(now) }
            }
            None => Span::at(now),
        }
    }

    /// Forgets what was emitted before `epoch`.
    pub(super) fn forget_before(&self, epoch: u64) {
        for epochs in &mut self.0.borrow_mut().producers {
            *epochs = epochs.split_off(&epoch);
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.0.borrow().clock.now()
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
    fn results(&mut self, epoch: &u64, _: Route, scheduled: Span, _: usize, now: Nanos) {
        self.0.emitted(self.1, *epoch, scheduled, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn span(first: Nanos, last: Nanos) -> Span {
        Span { first: first * MS, last: last * MS }
    }

    #[test]
    fn records_have_the_schedule_of_what_the_stage_before_them_emitted_last() {
        let due = DueTimes::new(Clock::default(), Some(Duration::from_millis(100)));
        due.emitted(PARSERS, 7, span(700, 704), 705 * MS);
        due.emitted(1, 7, span(710, 712), 730 * MS);
        due.emitted(1, 7, span(701, 705), 731 * MS);
        assert_eq!(due.of(1, 7), span(700, 704));
        assert_eq!(due.of(2, 7), span(701, 712));
        // A stage does not see itself. What was emitted long ago has been taken.
        due.emitted(2, 7, span(700, 700), 731 * MS);
        due.emitted(1, 7, span(715, 716), 740 * MS);
        assert_eq!(due.of(2, 7), span(715, 716));
        due.forget_before(8);
        let unknown = due.of(2, 0);
        assert!(unknown.first == 0 && unknown.last <= 100 * MS);
    }
}
