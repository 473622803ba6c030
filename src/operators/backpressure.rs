//! Backpressure: bounds on the records that a worker holds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timely::scheduling::Activator;

/// Records and bytes that a worker's burst operators hold, queued or in flight, and their bounds. A
/// source on the same worker checks [`Backpressure::is_high`], and stops until
/// [`Backpressure::wake_when_low`] activates it. All clones share one state.
///
/// Nothing that waits for an epoch to complete counts: a source that stops inside an epoch would
/// wait for itself.
///
/// # Examples
/// A source that waits while a hundred records are held:
/// ```
/// use floodway::operators::{Backpressure, Burst, BurstExt};
/// use floodway::task;
/// use timely::dataflow::InputHandle;
/// use timely::dataflow::operators::{Input, Probe};
///
/// timely::execute_directly(|worker| {
///     let backpressure = Backpressure::new(100, 1 << 20);
///     let mut input = InputHandle::new();
///     let (probe, _bad) = worker.dataflow::<u64, _, _>(|scope| {
///         let square = task::function("square", |n: &u64| Ok(n * n));
///         let burst = Burst::local().backpressure(&backpressure);
///         let (squares, bad) = scope.input_from(&mut input).burst(square, burst);
///         (squares.probe().0, bad.probe().0)
///     });
///     for number in 0..1_000_u64 {
///         while backpressure.is_high() {
///             worker.step();
///         }
///         input.send(number);
///         input.flush();
///         worker.step();
///         assert!(backpressure.records() <= 100);
///     }
///     input.close();
///     worker.step_while(|| !probe.done());
///     assert_eq!((backpressure.records(), backpressure.bytes(), backpressure.room()), (0, 0, 100));
/// });
/// ```
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
    /// Creates bounds on records and on their bytes. If they are too small, the source stops before a burst
    /// can be spread over the remote side. If they are too large, memory use and the latency of waiting
    /// records grow.
    pub fn new(max_records: usize, max_bytes: usize) -> Self {
        Backpressure(Rc::new(Inner {
            max_records: max_records.max(1),
            max_bytes: max_bytes.max(1),
            records: Cell::new(0),
            bytes: Cell::new(0),
            waiting: RefCell::default(),
        }))
    }

    /// Records that are queued or in flight.
    pub fn records(&self) -> usize {
        self.0.records.get()
    }

    /// Bytes of these records.
    pub fn bytes(&self) -> usize {
        self.0.bytes.get()
    }

    /// Whether a bound is reached, so that the source has to wait.
    pub fn is_high(&self) -> bool {
        self.records() >= self.0.max_records || self.bytes() >= self.0.max_bytes
    }

    /// Records that may be added until the bound is reached.
    pub fn room(&self) -> usize {
        self.0.max_records.saturating_sub(self.records())
    }

    /// Activates `source` once what is held has fallen to three quarters of the bounds.
    pub fn wake_when_low(&self, source: Activator) {
        self.0.waiting.borrow_mut().push(source);
    }

    /// Adds records that were received.
    pub(super) fn add(&self, records: usize, bytes: usize) {
        self.0.records.set(self.records() + records);
        self.0.bytes.set(self.bytes() + bytes);
    }

    /// Removes records that have a result.
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
    /// Half a million records or 256 MiB: five seconds at 100,000 records per second, and little enough
    /// memory for any machine.
    fn default() -> Self {
        Backpressure::new(500_000, 256 << 20)
    }
}
