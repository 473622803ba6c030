//! What an operator tells whoever watches it.

use std::time::Duration;

use crate::batch::{Nanos, Span};
use crate::policy::{Offered, Route};

/// What became of an epoch's records on one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochStats {
    /// What came, here and in the whole dataflow.
    pub offered: Option<Offered>,
    /// Results made on the worker.
    pub local: u64,
    /// Results made by other workers of the same process.
    pub peer: u64,
    /// Results made by the remote side, at whatever attempt.
    pub remote: u64,
    /// Results made on the worker of records that were sent away.
    pub returned: u64,
    /// Bad records.
    pub bad: u64,
    /// What the attempts at its records cost, in US dollars.
    pub usd: f64,
}

impl EpochStats {
    /// Adds `records` results made by `route`.
    pub(super) fn count(&mut self, route: Route, records: u64) {
        *match route {
            Route::Local => &mut self.local,
            Route::Peer => &mut self.peer,
            Route::Remote | Route::Hedged => &mut self.remote,
            Route::Returned => &mut self.returned,
        } += records;
    }
}

/// Sees what a worker's operator does, on the worker's thread: whatever it does there, it must be
/// short and must not block. Every method has an empty default.
///
/// # Examples
/// Counts the bad records:
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use floodway::operators::{Burst, BurstExt, Observer};
/// use floodway::task::{self, Code};
/// use timely::dataflow::operators::ToStream;
///
/// struct CountBad(Rc<Cell<usize>>);
///
/// impl Observer<u64> for CountBad {
///     fn bad(&mut self, records: usize) {
///         self.0.set(self.0.get() + records);
///     }
/// }
///
/// let found = timely::execute_directly(|worker| {
///     let found = Rc::new(Cell::new(0));
///     let observer = CountBad(Rc::clone(&found));
///     worker.dataflow::<u64, _, _>(|scope| {
///         let unsigned = task::function("unsigned", |n: &i64| {
///             u64::try_from(*n).map_err(|_| Code("negative".into()))
///         });
///         let numbers = [4, -1, 9].to_stream(scope).container::<Vec<_>>();
///         let (_results, _bad) = numbers.burst(unsigned, Burst::local().observer(observer));
///     });
///     while worker.step() {}
///     found.get()
/// });
/// assert_eq!(found, 1);
/// ```
pub trait Observer<T>: 'static {
    /// `records` records came in.
    fn received(&mut self, records: usize) {
        let _ = records;
    }

    /// In one slice the task did `records` records here, this worker's or another's, in `time`.
    fn computed(&mut self, records: usize, time: Duration) {
        let _ = (records, time);
    }

    /// `records` results of `epoch` left at `now`, made by `route`, of records scheduled at
    /// `scheduled`.
    fn results(&mut self, epoch: &T, route: Route, scheduled: Span, records: usize, now: Nanos) {
        let _ = (epoch, route, scheduled, records, now);
    }

    /// `records` of an epoch were found to be bad.
    fn bad(&mut self, records: usize) {
        let _ = records;
    }

    /// `records` records were handed to the remote side at `now`.
    fn sent(&mut self, records: usize, now: Nanos) {
        let _ = (records, now);
    }

    /// Records held, queued and in flight, as they change.
    fn backlog(&mut self, queued: usize, in_flight: usize) {
        let _ = (queued, in_flight);
    }

    /// The records a second of useful time that this worker does.
    fn true_rate(&mut self, records_per_second: f64) {
        let _ = records_per_second;
    }

    /// An epoch is final: no more comes in it, in the whole dataflow. Epochs come in order.
    fn offered(&mut self, epoch: &T, offered: Offered) {
        let _ = (epoch, offered);
    }

    /// `records` results of the remote side were computed here too, and are the same.
    fn verified(&mut self, records: usize) {
        let _ = records;
    }

    /// The remote side computed something else of a record than this worker does. Its other answers
    /// are not believed any more either, and nothing is sent to it; what it has sent until now may
    /// be wrong. Says which record.
    fn mismatch(&mut self, record: &str) {
        tracing::error!(
            "the remote result of {record} differs from the worker's: nothing more \
        is sent"
        );
    }

    /// An epoch is complete on this worker. Epochs come in order.
    fn epoch_completed(&mut self, epoch: &T, stats: &EpochStats) {
        let _ = (epoch, stats);
    }
}

/// Watches nothing.
impl<T> Observer<T> for () {}

/// Both of them watch.
impl<T, A: Observer<T>, B: Observer<T>> Observer<T> for (A, B) {
    fn received(&mut self, records: usize) {
        self.0.received(records);
        self.1.received(records);
    }

    fn computed(&mut self, records: usize, time: Duration) {
        self.0.computed(records, time);
        self.1.computed(records, time);
    }

    fn offered(&mut self, epoch: &T, offered: Offered) {
        self.0.offered(epoch, offered);
        self.1.offered(epoch, offered);
    }

    fn results(&mut self, epoch: &T, route: Route, scheduled: Span, records: usize, now: Nanos) {
        self.0.results(epoch, route, scheduled, records, now);
        self.1.results(epoch, route, scheduled, records, now);
    }

    fn bad(&mut self, records: usize) {
        self.0.bad(records);
        self.1.bad(records);
    }

    fn sent(&mut self, records: usize, now: Nanos) {
        self.0.sent(records, now);
        self.1.sent(records, now);
    }

    fn backlog(&mut self, queued: usize, in_flight: usize) {
        self.0.backlog(queued, in_flight);
        self.1.backlog(queued, in_flight);
    }

    fn true_rate(&mut self, records_per_second: f64) {
        self.0.true_rate(records_per_second);
        self.1.true_rate(records_per_second);
    }

    fn verified(&mut self, records: usize) {
        self.0.verified(records);
        self.1.verified(records);
    }

    fn mismatch(&mut self, record: &str) {
        self.0.mismatch(record);
        self.1.mismatch(record);
    }

    fn epoch_completed(&mut self, epoch: &T, stats: &EpochStats) {
        self.0.epoch_completed(epoch, stats);
        self.1.epoch_completed(epoch, stats);
    }
}
