//! Policies: which records of the queue go to the remote side, and when.
//!
//! A policy is a pure function over numbers. It is told the time, the queue and the rates, and
//! answers with ranges of the queue ([`Take`]); it reads no clock and does no I/O, so that the
//! operator, a simulator and the tests run the same code. All policies plan over the same
//! [`Queue`], and all see the same metering: what each epoch brought ([`Offered`]), counted by
//! timestamp and summed over the dataflow's workers.
//!
//! Each policy has a file, with its [`Spec`] in it: its name, and what others need to know of it.
//! [`POLICIES`] lists them, and all that depends on which policies there are (help, errors, defaults,
//! plots, advice) is made from this list.

mod deadline;
mod local;
mod margin;
mod queue;
mod remote;
mod reserved;
mod route;
mod selection;
mod spec;
mod spill;
mod threshold;
mod true_rate;

pub use deadline::Deadline;
pub use local::Local;
pub use queue::{Destination, Entry, Queue, Take, Taken};
pub use remote::Remote;
pub use reserved::Reserved;
pub use route::Route;
pub use spec::{ChoiceError, Color, Parameters, PolicyChoice, Sends, Spec};
pub use spill::Spill;
pub use threshold::Threshold;
pub(crate) use true_rate::TrueRate;

use crate::batch::{Nanos, Span};

/// All policies, in the order in which they are listed.
pub const POLICIES: &[&Spec] =
    &[&Local::SPEC, &Remote::SPEC, &Threshold::SPEC, &Spill::SPEC, &Deadline::SPEC];

/// How many records arrived in an epoch. It is known once the epoch is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Records that arrived at this worker.
    pub mine: u64,
    /// Records that arrived at all workers of the dataflow.
    pub total: u64,
    /// The time in which they arrived: the epoch's nominal length, or the wall time since the previous epoch if
    /// epochs have no length.
    pub length: Nanos,
}

impl Offered {
    /// Records per second over all workers.
    pub fn rate(&self) -> f64 {
        self.total as f64 * 1e9 / self.length.max(1) as f64
    }

    /// Records per second to start environments for, under a policy that sends from the rate `threshold` on. `None`
    /// while the rate is below `share` of the threshold. Above it, the excess over the threshold, and at least a
    /// fifth of the rate.
    pub(crate) fn expected_excess(&self, threshold: f64, share: f64) -> Option<f64> {
        const PART: f64 = 0.2;
        let rate = self.rate();
        (self.total > 0 && rate >= share * threshold).then(|| (rate - threshold).max(PART * rate))
    }
}

/// What the worker has measured when a plan is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates<'a> {
    /// Records that this worker computes per second of useful time, once it has computed some.
    pub local: Option<f64>,
    /// The share of the worker's time that is useful while records wait, for this stage or another one. Other
    /// operators take the rest.
    pub share: f64,
    /// Useful time that other stages need.
    pub reserved: &'a Reserved,
    /// How long the stages behind this one take. A result of this stage is due that much earlier than
    /// [`Entry::due`], which is when the result of the whole graph is due.
    pub after: Nanos,
    /// This worker's records that processes of this machine have, which compute them before those that wait.
    pub begun: usize,
    /// This worker's records that were sent and not answered yet.
    pub in_flight: usize,
    /// Records that idle workers of the same process can take now.
    pub peers: usize,
    /// Records that the bridge can take now. What is planned beyond them stays in the queue.
    pub room: usize,
    /// Records that wait on this worker.
    pub waiting: usize,
    /// How many records of the stream a record of the queue stands for on average: 1, or more if the queue holds
    /// [chunks](crate::batch::Chunks). A threshold and [`Offered`] are in records of the stream.
    pub weight: f64,
    /// How many of `room` will not meet a cold environment, as far as is known.
    pub warm_room: usize,
    /// Records in a full request.
    pub batch: usize,
    /// How long the remote side takes to answer.
    pub remote: RemoteLatency,
    /// The time from a record's schedule to when its result of this stage is due.
    pub slack: Nanos,
}

/// How long the remote side takes to answer, in nanoseconds. Zero means that it was not measured yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RemoteLatency {
    /// The median over requests to warm environments.
    pub median: Nanos,
    /// The 99th percentile, from when the worker hands a record over. Requests in flight count with their present age.
    pub p99: Nanos,
    /// The time that a request to a cold environment takes.
    pub cold_start: Nanos,
    /// The share of recent attempts that failed.
    pub failure_rate: f64,
}

/// Where results were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// By this worker.
    Local,
    /// By the remote side.
    Remote,
}

/// Results that have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Where they were computed.
    pub side: Side,
    /// How many.
    pub records: usize,
    /// How many of them arrived after they were due.
    pub late: usize,
}

impl Completed {
    /// Describes results that arrived at `now`, of records that were due `slack` after their schedule.
    pub(crate) fn at(
        now: Nanos,
        side: Side,
        scheduled: Span,
        slack: Nanos,
        records: usize,
    ) -> Self {
        Completed { side, records, late: scheduled.late(now, slack, records) }
    }
}

impl Rates<'_> {
    /// Records that this worker computes per second while records wait, with everything else that it does.
    pub fn effective(&self) -> Option<f64> {
        self.local.map(|rate| rate * self.share)
    }

    /// Returns how many waiting records this worker computes from `now` to `until` besides what other stages need. None
    /// before it has computed any.
    pub fn computes(&self, now: Nanos, until: Nanos) -> Option<usize> {
        let local = self.local?;
        let all = until.saturating_sub(now) as f64 / 1e9 * (local * self.share);
        let others = self.reserved.until(until) / 1e9 * local + self.begun as f64;
        Some((all - others).max(0.0) as usize)
    }

    /// How many records it helps to send now, and to which environments. Sending helps if the remote side answers
    /// before records are due, or at least before this worker, which has to compute first what waits already.
    pub fn useful_room(&self) -> (usize, Destination) {
        let local = self.local.map(|rate| self.waiting as f64 / rate * 1e9);
        let helps = |remote: Nanos| {
            remote <= self.slack || local.is_none_or(|local| remote as f64 <= local)
        };
        match [self.remote.median, self.remote.cold_start].map(helps) {
            [false, _] => (0, Destination::Warm),
            [true, false] => (self.room.min(self.warm_room), Destination::Warm),
            [true, true] => (self.room, Destination::Remote),
        }
    }
}

impl Default for Rates<'_> {
    /// Nothing was measured yet, and there is room for everything.
    fn default() -> Self {
        let (room, warm_room) = (usize::MAX, usize::MAX);
        Rates {
            local: None,
            share: 1.0,
            reserved: Reserved::NONE,
            after: 0,
            begun: 0,
            in_flight: 0,
            peers: 0,
            room,
            waiting: 0,
            weight: 1.0,
            warm_room,
            batch: 1_000,
            remote: RemoteLatency::default(),
            slack: 0,
        }
    }
}

/// How often a policy is asked for the rate that it expects to send ([`Policy::expected_rate`]).
pub(crate) const FORECAST_INTERVAL: Nanos = 5_000_000;

/// Decides which records of a worker's queue are sent to the remote side.
///
/// # Examples
/// A policy that keeps a number of records on the worker and sends what waits beyond them:
/// ```
/// use floodway::batch::{Nanos, Span};
/// use floodway::policy::{Destination, Entry, Policy, Rates, RemoteLatency, Reserved, Take};
///
/// struct Keep(usize);
///
/// impl Policy for Keep {
///     fn offload_threshold(&self) -> Option<f64> {
///         Some(0.0)
///     }
///
///     fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
///         let (mut kept, mut room) = (self.0, rates.room);
///         for (index, entry) in queue.iter().copied().flatten().enumerate() {
///             let start = entry.range.start + entry.range.len().min(kept);
///             kept -= start - entry.range.start;
///             let range = start..entry.range.end.min(start + room);
///             if !range.is_empty() && !entry.returned {
///                 room -= range.len();
///                 takes.push(Take { entry: index, range, to: Destination::Remote });
///             }
///         }
///     }
/// }
///
/// let due = 200_000_000;
/// let entry = Entry { seq: 0, range: 0..100, arrival: 0, scheduled: Span::at(0), due, returned: false };
/// let rates = Rates {
///     local: None,
///     share: 1.0,
///     reserved: Reserved::NONE,
///     after: 0,
///     begun: 0,
///     in_flight: 0,
///     peers: 0,
///     room: 30,
///     waiting: 100,
///     weight: 1.0,
///     warm_room: 30,
///     batch: 500,
///     remote: RemoteLatency::default(),
///     slack: due,
/// };
/// let mut takes = Vec::new();
/// Keep(60).plan(0, &[&[entry], &[]], rates, &mut takes);
/// assert_eq!(takes.len(), 1);
/// assert_eq!(takes[0].range, 60..90, "there is room for 30");
/// ```
pub trait Policy: Send {
    /// Called when an epoch is final, in the order of epochs.
    fn on_epoch(&mut self, offered: Offered) {
        let _ = offered;
    }

    /// Called when results have arrived.
    fn on_completed(&mut self, now: Nanos, done: Completed) {
        let _ = (now, done);
    }

    /// The rate in records of the stream per second, over all workers, from which the policy sends. `None` if it does
    /// not go by a rate: it [plans by due times](Policy::plans_by_due_time), or sends nothing.
    fn offload_threshold(&self) -> Option<f64>;

    /// Whether the policy plans by due times. Then it fills requests as far as it can, and what it sends has no time
    /// to wait until a request is full.
    fn plans_by_due_time(&self) -> bool {
        false
    }

    /// Whether returned records can be computed at once, before the rest of the queue, without making the rest late.
    fn returned_work_skips_queue(&self, remote: RemoteLatency) -> bool {
        let _ = remote;
        false
    }

    /// Whether all waiting records are for the remote side. While it can be sent to, a worker computes only returned
    /// records, and the rest waits for room.
    fn is_remote_only(&self) -> bool {
        false
    }

    /// Appends to `takes`, by rising entry, what is sent now. Returned entries must not be taken again
    /// ([`Entry::returned`]).
    fn plan(&mut self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>);

    /// Records per second that the policy expects to send soon, judging by the queue. Environments are started for
    /// them. A policy that goes by the rates of epochs implements [`Policy::offload_threshold`] instead.
    fn expected_rate(&self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates) -> f64 {
        let _ = (now, queue, rates);
        0.0
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn on_epoch(&mut self, offered: Offered) {
        (**self).on_epoch(offered);
    }

    fn on_completed(&mut self, now: Nanos, done: Completed) {
        (**self).on_completed(now, done);
    }

    fn offload_threshold(&self) -> Option<f64> {
        (**self).offload_threshold()
    }

    fn plans_by_due_time(&self) -> bool {
        (**self).plans_by_due_time()
    }

    fn returned_work_skips_queue(&self, remote: RemoteLatency) -> bool {
        (**self).returned_work_skips_queue(remote)
    }

    fn is_remote_only(&self) -> bool {
        (**self).is_remote_only()
    }

    fn plan(&mut self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        (**self).plan(now, queue, rates, takes);
    }

    fn expected_rate(&self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates) -> f64 {
        (**self).expected_rate(now, queue, rates)
    }
}
