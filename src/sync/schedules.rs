//! Runs a test under many schedules of its threads.
//!
//! Every operation of a primitive of [`sync`](super) is a point at which another thread may continue. All
//! threads see all operations in one order: a schedule does not show what weaker memory orderings allow.
//! Miri shows some of that. It runs a test once for each of its seeds, on threads of `std`.

use std::sync::Arc;

pub(crate) use super::thread;
#[cfg(not(miri))]
pub(crate) use {
    explored::explore,
    shuttle::{future::block_on, sync::mpsc},
};
#[cfg(miri)]
pub(crate) use {
    seeded::{block_on, explore},
    std::sync::mpsc,
};

/// The number of schedules for a test that makes some tens of operations.
pub(crate) const MANY: usize = 10_000;

#[cfg(not(miri))]
mod explored {
    use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
    use shuttle::{Config, Runner};

    /// The size of a thread's stack. Code that is not optimised needs more than shuttle's 32 KiB.
    const STACK: usize = 1 << 18;

    /// The number of switches between threads in a schedule that switches seldom. Most faults need one to
    /// three.
    const SWITCHES: usize = 3;

    /// Runs `test` under `schedules` schedules: half of them choose the next thread at random at each point,
    /// and half run one thread as long as it can, but for some switches. A failure prints its schedule for
    /// `shuttle::replay`.
    pub(crate) fn explore(schedules: usize, test: impl Fn() + Clone + Send + Sync + 'static) {
        let run = |scheduler: Box<dyn Scheduler + Send>| {
            let mut config = Config::new();
            config.stack_size = STACK;
            // The warning says that memory orderings are not modelled.
            config.silence_warnings = true;
            Runner::new(scheduler, config).run(test.clone());
        };
        run(Box::new(RandomScheduler::new(schedules / 2)));
        run(Box::new(PctScheduler::new(SWITCHES, schedules / 2)));
    }
}

#[cfg(miri)]
mod seeded {
    /// Runs `test` once, under the schedule of Miri's seed.
    pub(crate) fn explore(_: usize, test: impl Fn() + Clone + Send + Sync + 'static) {
        test();
    }

    pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }
}

/// Returns a function that wakes a worker, and its wake-ups. A worker that waits for one in vain fails the
/// test, because then no thread can continue.
pub(crate) fn wake_ups() -> (Arc<dyn Fn() + Send + Sync>, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    // A worker that has ended does not need to be woken.
    let wake = move || {
        let _ = sender.send(());
    };
    (Arc::new(wake), receiver)
}
