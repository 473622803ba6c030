//! Flow control: when a worker's source must wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::scheduling::Activator;

use crate::observe::{WaitReason, WorkerStats};
use crate::operators::Backpressure;

/// The part of the dataflow after burst that can fill up.
pub trait Downstream {
    /// Whether the source should wait.
    fn is_full(&self) -> bool;
}

impl Downstream for () {
    fn is_full(&self) -> bool {
        false
    }
}

/// The interval at which a waiting source checks whether the writer has caught up. The writer writes some MB in that time.
const WRITER_POLL: Duration = Duration::from_millis(1);

/// Decides when a source may emit. Burst and the writer must hold less than their bounds, and an epoch must not begin too
/// far past the last committed one. The operators of a worker share it, and clones are cheap.
#[derive(Clone)]
pub struct FlowControl(Rc<Inner>);

struct Inner {
    backpressure: Backpressure,
    downstream: Box<dyn Downstream>,
    /// The number of epochs that may be open past the committed ones.
    window: u64,
    committed_before: Cell<u64>,
    begun: Cell<Option<u64>>,
    is_paused: Cell<bool>,
    last: Cell<Option<u64>>,
    source: RefCell<Option<Activator>>,
    stats: Arc<WorkerStats>,
}

impl FlowControl {
    /// Creates flow control with `window` open epochs. If there are too few, the source waits for every commit. If there are
    /// too many, more work is repeated after a crash.
    pub fn new(
        backpressure: Backpressure,
        downstream: impl Downstream + 'static,
        window: u64,
        stats: Arc<WorkerStats>,
    ) -> Self {
        FlowControl(Rc::new(Inner {
            backpressure,
            downstream: Box::new(downstream),
            window: window.max(1),
            committed_before: Cell::new(0),
            begun: Cell::new(None),
            is_paused: Cell::new(false),
            last: Cell::new(None),
            source: RefCell::default(),
            stats,
        }))
    }

    /// Sets the source that waits.
    pub fn attach(&self, source: Activator) {
        *self.0.source.borrow_mut() = Some(source);
    }

    /// Returns how many more records the next operators may take before a bound is reached.
    pub fn room(&self) -> usize {
        self.0.backpressure.room()
    }

    /// Whether a record of `epoch` may leave now. If not, the source is activated when that may have changed.
    pub fn may_emit(&self, epoch: u64) -> bool {
        let inner = &self.0;
        let begins = inner.begun.get().is_none_or(|begun| epoch > begun);
        let ahead = epoch >= inner.committed_before.get().saturating_add(inner.window);
        let held = inner.is_paused.get() && !self.stops();
        let open = !(begins && (ahead || held));
        // This is checked only once. The writer continues meanwhile, so a second check could give another result, and the
        // source would wait for something that has already happened.
        let (is_high, is_full) = (inner.backpressure.is_high(), inner.downstream.is_full());
        let may = open && !is_high && !is_full;
        if may {
            if begins {
                inner.begun.set(Some(epoch));
            }
            inner.stats.waits.end();
        } else {
            inner.stats.waits.begin(match (is_full, is_high) {
                (true, _) => WaitReason::Writer,
                (false, true) => WaitReason::Backlog,
                (false, false) => WaitReason::Commit,
            });
            if let Some(source) = &*inner.source.borrow() {
                if is_high {
                    inner.backpressure.wake_when_low(source.clone());
                }
                if is_full {
                    source.activate_after(WRITER_POLL);
                }
            }
        }
        may
    }

    /// Whether records of `epoch` are read. They are not if the run stops at an earlier epoch.
    pub fn wants(&self, epoch: u64) -> bool {
        self.0.last.get().is_none_or(|last| epoch <= last)
    }

    /// Whether the run was told to stop at some epoch.
    pub fn stops(&self) -> bool {
        self.0.last.get().is_some()
    }

    /// Begins no further epoch until the run's last one is known.
    pub fn pause(&self) {
        self.0.is_paused.set(true);
    }

    /// Returns the last epoch that has records.
    pub fn begun(&self) -> u64 {
        self.0.begun.get().unwrap_or(0)
    }

    /// Ends the run with epoch `last`.
    pub fn stop_after(&self, last: u64) {
        self.0.last.set(Some(last));
        self.wake();
    }

    /// Notes that all epochs before `epoch` are committed.
    pub fn committed_before(&self, epoch: u64) {
        self.0.committed_before.set(epoch);
        self.wake();
    }

    /// Activates the source.
    pub fn wake(&self) {
        if let Some(source) = &*self.0.source.borrow() {
            source.activate();
        }
    }
}

#[cfg(test)]
mod tests {
    use timely::container::NoopBuilder;
    use timely::dataflow::operators::generic::OutputBuilderSession;
    use timely::dataflow::operators::generic::operator::source;

    use super::*;

    /// A downstream that is full at the first check, and never again.
    struct FullOnce(Cell<bool>);

    impl Downstream for FullOnce {
        fn is_full(&self) -> bool {
            self.0.replace(false)
        }
    }

    #[test]
    fn a_source_is_woken_although_the_writer_has_caught_up_meanwhile() {
        let asked = timely::execute_directly(|worker| {
            let full = FullOnce(Cell::new(true));
            let flow_control = FlowControl::new(Backpressure::new(10, 10), full, 1, Arc::default());
            let answers = Rc::new(RefCell::new(Vec::new()));
            let (gate_there, answered) = (flow_control.clone(), Rc::clone(&answers));
            worker.dataflow::<u64, _, _>(|scope| {
                source(scope, "Source", |capability, info| {
                    flow_control.attach(scope.activator_for(info.address));
                    let mut held = Some(capability);
                    move |_output: &mut OutputBuilderSession<_, NoopBuilder<Vec<()>>>| {
                        if held.is_some() {
                            let may_emit = gate_there.may_emit(0);
                            answered.borrow_mut().push(may_emit);
                            held = held.take().filter(|_| !may_emit);
                        }
                    }
                });
            });
            // Nobody waits for a source that was dropped with its dataflow.
            for _ in 0..500 {
                if answers.borrow().len() == 2 {
                    break;
                }
                worker.step_or_park(Some(10 * WRITER_POLL));
            }
            for dataflow in worker.installed_dataflows() {
                worker.drop_dataflow(dataflow);
            }
            answers.take()
        });
        assert_eq!(asked, [false, true]);
    }
}
