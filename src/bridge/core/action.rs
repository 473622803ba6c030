//! What goes into the request machine, and what comes out of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::Nanos;
use crate::bridge::{Admission, Failure, LocalLoad, PendingRanges};

/// The records of a work item.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub range: Range<usize>,
    pub pending: Arc<PendingRanges>,
    /// Whether it waits for a warm environment, so that none is started for it.
    pub warm_only: bool,
    /// Whether it and all earlier work items are sent although their request is not full.
    pub urgent: bool,
    /// When the machine received it.
    pub submitted_at: Nanos,
    /// Number of failed attempts that these records may have caused. Counted only if workers cannot compute the
    /// records.
    pub failed: u32,
}

impl Part {
    /// All records of `range` are pending.
    pub(crate) fn new(range: Range<usize>) -> Self {
        let pending = Arc::new(PendingRanges::new(range.clone()));
        Part { range, pending, warm_only: false, urgent: false, submitted_at: 0, failed: 0 }
    }
}

/// What the machine needs to know of a work item.
pub(crate) trait Item: Sized {
    /// The body of a request. A clone is cheap.
    type Body: Clone;

    /// Returns its records.
    fn part(&self) -> &Part;

    /// Returns its records, to change them.
    fn part_mut(&mut self) -> &mut Part;

    /// Returns a work item for other records of the same batch.
    fn with_part(&self, part: Part) -> Self;

    /// Returns the load of its worker.
    fn local_load(&self) -> &LocalLoad;

    /// Returns the number of its records.
    fn records(&self) -> usize {
        self.part().range.len()
    }

    /// Returns whether any of its records has no result yet.
    fn is_pending(&self) -> bool {
        let Part { range, pending, .. } = self.part();
        pending.any(range)
    }

    /// Splits off the first `records` records.
    fn split(&mut self, records: usize) -> Self {
        let part = self.part_mut();
        let at = part.range.start + records.min(part.range.len());
        let first = Part { range: part.range.start..at, ..part.clone() };
        part.range.start = at;
        self.with_part(first)
    }

    /// Returns another handle to the same records. Each record is answered once all the same.
    fn duplicate(&self) -> Self {
        self.with_part(self.part().clone())
    }
}

/// An attempt, by its request and its number among the attempts of that request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttemptId {
    pub request: u64,
    pub number: u32,
}

/// What has to be done.
#[derive(Debug)]
pub(crate) enum Action<I: Item> {
    /// Send this attempt. Without a body, the request has no records.
    Send { attempt: AttemptId, body: Option<I::Body>, is_hedge: bool },
    /// Give up this attempt: its end is not reported any more.
    Cancel(AttemptId),
    /// The answer to this attempt, which was reported just now, has the results of these work items. `usd`
    /// is the cost per record.
    Deliver { attempt: AttemptId, items: Vec<I>, body: Option<I::Body>, usd: f64, is_hedge: bool },
    /// Return the pending records of these work items to their workers. `usd` is the cost per record.
    Return { items: Vec<I>, usd: f64, failure: Failure },
    /// Tell the user.
    Warn(Warning),
}

/// What the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// A request failed.
    Request(Failure),
    /// A start-up probe failed: nothing is sent until a probe is answered.
    Endpoint(Failure),
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Whether its environment was started for it, or why it failed.
    pub result: Result<bool, Failure>,
    /// Its time on the wire.
    pub took: Duration,
    /// The delay that the service asks for.
    pub retry_after: Option<Duration>,
    pub billed: Billed,
}

/// What an attempt is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Billed {
    /// Nothing: the function did not run.
    Nothing,
    /// The service reported this time.
    Reported(Duration),
    /// The service did not report it: its time on the wire, which is not shorter.
    TimeOnWire,
    /// It was given up and may go on: its time on the wire, or that of a usual request if that is longer.
    GivenUp,
}

/// A request that should be made now.
#[derive(Debug)]
pub(crate) enum Fill<I> {
    /// Of the waiting work items, up to this many records.
    Front(usize),
    /// Of these work items, which were a request before, or half of one.
    Again(Vec<I>),
}

/// A request that was made.
#[derive(Debug)]
pub(crate) struct Filled<I: Item> {
    pub items: Vec<I>,
    pub records: usize,
    /// How many of the waiting records were taken, those included that cannot be sent.
    pub taken: usize,
    pub body: I::Body,
}

/// What a call of the machine works with.
pub(crate) struct Turn<'a, I: Item> {
    pub admission: &'a mut Admission,
    pub now: Nanos,
    pub actions: &'a mut Vec<Action<I>>,
}
