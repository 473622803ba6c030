//! What an operator reports to an observer.

use std::time::Duration;

use crate::batch::{Nanos, Span};
use crate::policy::{Offered, Route};

/// Statistics of an epoch's records on one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochStats {
    /// Records that arrived, on this worker and in the whole dataflow.
    pub offered: Option<Offered>,
    /// Results that this worker computed for records that were never sent.
    pub local: u64,
    /// Results that other workers of the same process computed.
    pub peer: u64,
    /// Results that the remote side computed, at any attempt.
    pub remote: u64,
    /// Results that this worker computed for records that were sent and returned.
    pub returned: u64,
    /// Bad records.
    pub bad: u64,
    /// Cost of the attempts at the epoch's records, in US dollars.
    pub usd: f64,
}

impl EpochStats {
    /// Adds `records` results that were computed by `route`.
    pub(super) fn count(&mut self, route: Route, records: u64) {
        *match route {
            Route::Local => &mut self.local,
            Route::Peer => &mut self.peer,
            Route::Remote | Route::Hedged => &mut self.remote,
            Route::Returned => &mut self.returned,
        } += records;
    }
}

/// Receives what a worker's operator does, on the worker's thread, so an implementation must be short and
/// must not block. Every method does nothing by default. Records are those of the stream, also where the operator computes
/// them in chunks.
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
    /// Called when `records` records have arrived.
    fn received(&mut self, records: usize) {
        let _ = records;
    }

    /// Called when the task has computed `records` records in one slice, which took `time`. They are this
    /// worker's or another's.
    fn computed(&mut self, records: usize, time: Duration) {
        let _ = (records, time);
    }

    /// Called when `records` results of `epoch` are emitted at `now`. They were computed by `route`, for
    /// records scheduled at `scheduled`.
    fn results(&mut self, epoch: &T, route: Route, scheduled: Span, records: usize, now: Nanos) {
        let _ = (epoch, route, scheduled, records, now);
    }

    /// Called when `records` records were found to be bad.
    fn bad(&mut self, records: usize) {
        let _ = records;
    }

    /// Called when `records` records were handed to the bridge at `now`.
    fn sent(&mut self, records: usize, now: Nanos) {
        let _ = (records, now);
    }

    /// Called when attempts at records have cost `usd` US dollars.
    fn paid(&mut self, usd: f64) {
        let _ = usd;
    }

    /// Called with the numbers of held records, queued and in flight, when they change.
    fn backlog(&mut self, queued: usize, in_flight: usize) {
        let _ = (queued, in_flight);
    }

    /// Called with the worker's true rate: records per second of useful time.
    fn true_rate(&mut self, records_per_second: f64) {
        let _ = records_per_second;
    }

    /// Called when an epoch is final: it receives no more records in the whole dataflow. Epochs come in
    /// order.
    fn offered(&mut self, epoch: &T, offered: Offered) {
        let _ = (epoch, offered);
    }

    /// Called when `records` results of the remote side were computed here too, and are equal.
    fn verified(&mut self, records: usize) {
        let _ = records;
    }

    /// Called the first time that the remote side computed another result for `record` than this worker does: `remote`
    /// and `here` show the two. From then on nothing is sent to the remote side and its replies are discarded. Results
    /// that it has sent before may be wrong. Returns whether somebody is told; otherwise the operator logs it.
    fn mismatch(&mut self, record: &str, remote: &str, here: &str) -> bool {
        let _ = (record, remote, here);
        false
    }

    /// Called with the oldest epoch that is not complete on this worker. None if there is none and no more records come.
    fn frontier(&mut self, epoch: Option<&T>) {
        let _ = epoch;
    }

    /// Called when an epoch is complete on this worker. Epochs come in order.
    fn epoch_completed(&mut self, epoch: &T, stats: &EpochStats) {
        let _ = (epoch, stats);
    }
}

/// An observer that does nothing.
impl<T> Observer<T> for () {}

/// Calls both observers.
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

    fn paid(&mut self, usd: f64) {
        self.0.paid(usd);
        self.1.paid(usd);
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

    fn mismatch(&mut self, record: &str, remote: &str, here: &str) -> bool {
        let is_told = self.0.mismatch(record, remote, here);
        self.1.mismatch(record, remote, here) || is_told
    }

    fn frontier(&mut self, epoch: Option<&T>) {
        self.0.frontier(epoch);
        self.1.frontier(epoch);
    }

    fn epoch_completed(&mut self, epoch: &T, stats: &EpochStats) {
        self.0.epoch_completed(epoch, stats);
        self.1.epoch_completed(epoch, stats);
    }
}
