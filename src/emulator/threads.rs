//! The threads that functions run on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use super::stats::Live;
use super::{Context, Function, FunctionError};
use crate::cpu;

/// What an invocation came to.
pub(super) struct Ran {
    pub answer: Result<Vec<u8>, FunctionError>,
    /// Work to be modelled.
    pub work: Duration,
    /// CPU time that it took.
    pub cpu: Duration,
}

struct Job {
    event: Bytes,
    cold: bool,
    done: oneshot::Sender<Ran>,
}

/// Where events go. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub(super) struct Threads(Sender<Job>);

impl Threads {
    /// The ends, and what each of the threads does.
    pub(super) fn new(
        function: Arc<dyn Function>,
        live: &Arc<Live>,
        numbers: std::ops::Range<usize>,
    ) -> (Threads, Vec<impl FnOnce() + Send + use<>>) {
        let (sender, jobs) = unbounded();
        let runs = numbers.map(|number| {
            let (function, live, jobs) = (Arc::clone(&function), Arc::clone(live), jobs.clone());
            move || run(&*function, &live, number, &jobs)
        });
        (Threads(sender), runs.collect())
    }

    /// Runs the function once.
    pub(super) async fn invoke(&self, event: Bytes, cold: bool) -> Option<Ran> {
        let (done, ran) = oneshot::channel();
        self.0.send(Job { event, cold, done }).ok()?;
        ran.await.ok()
    }
}

/// The cloud's cores are not this machine's: what a function takes here, a dataflow on the same
/// machine must not lack.
#[cfg(target_os = "linux")]
fn step_aside() {
    const STEPS: i32 = 10;
    // On Linux of this thread only. One that cannot competes.
    let _ = rustix::process::nice(STEPS);
}

#[cfg(not(target_os = "linux"))]
fn step_aside() {}

fn run(function: &dyn Function, live: &Live, number: usize, jobs: &Receiver<Job>) {
    step_aside();
    for Job { event, cold, done } in jobs {
        let before = cpu::of_thread();
        let mut context = Context { cold, ..Context::default() };
        let invoked = AssertUnwindSafe(|| function.invoke(&event, &mut context));
        let answer = catch_unwind(invoked).unwrap_or_else(|_| {
            let message = "the function panicked".to_owned();
            Err(FunctionError { error_type: "Runtime.ExitError".to_owned(), message })
        });
        let cpu = cpu::of_thread().saturating_sub(before);
        live.note_cpu(number);
        // Whoever hung up does not hear of it; it ran all the same.
        let _ = done.send(Ran { answer, work: context.work, cpu });
    }
}
