//! Backpressure: how much a worker holds, and who waits until it is less.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timely::scheduling::Activator;

/// What a worker's burst operators hold, queued or in flight, against its bounds. A source on the
/// same worker reads it ([`Backpressure::is_high`]) and stops until it is woken
/// ([`Backpressure::wake_when_low`]). Cheap to clone; the clones are one.
///
/// Nothing that waits for an epoch to complete counts: a source that stops inside an epoch would
/// wait for itself.
#[derive(Clone, Debug)]
pub struct Backpressure(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    max_records: usize,
    max_bytes: usize,
    records: Cell<usize>,
    bytes: Cell<usize>,
    waiting: RefCell<Vec<Activator>>,
}

impl Backpressure {
    /// Bounds on records and on their bytes. Too small and the source stops before a burst can be
    /// spread over the remote side; too large and memory, and the latency of what waits, grow.
    pub fn new(max_records: usize, max_bytes: usize) -> Self {
        Backpressure(Rc::new(Inner {
            max_records: max_records.max(1),
            max_bytes: max_bytes.max(1),
            records: Cell::new(0),
            bytes: Cell::new(0),
            waiting: RefCell::default(),
        }))
    }

    /// Records held.
    pub fn records(&self) -> usize {
        self.0.records.get()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.bytes.get()
    }

    /// Whether a bound is reached and the source should wait.
    pub fn is_high(&self) -> bool {
        self.records() >= self.0.max_records || self.bytes() >= self.0.max_bytes
    }

    /// Records more until the bound is reached.
    pub fn room(&self) -> usize {
        self.0.max_records.saturating_sub(self.records())
    }

    /// Activates `source` once what is held has fallen to three quarters of the bounds.
    pub fn wake_when_low(&self, source: Activator) {
        self.0.waiting.borrow_mut().push(source);
    }

    /// Adds what came in.
    pub(super) fn add(&self, records: usize, bytes: usize) {
        self.0.records.set(self.records() + records);
        self.0.bytes.set(self.bytes() + bytes);
    }

    /// Takes off what has left.
    pub(super) fn remove(&self, records: usize, bytes: usize) {
        self.0.records.set(self.records().saturating_sub(records));
        self.0.bytes.set(self.bytes().saturating_sub(bytes));
        if self.records() <= self.0.max_records / 4 * 3 && self.bytes() <= self.0.max_bytes / 4 * 3
        {
            for source in self.0.waiting.borrow_mut().drain(..) {
                source.activate();
            }
        }
    }
}

impl Default for Backpressure {
    /// Half a million records or 256 MiB: five seconds of the mission's rate, and a bound that
    /// any machine holds.
    fn default() -> Self {
        Backpressure::new(500_000, 256 << 20)
    }
}
