//! The threads that run functions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use super::environments::Environment;
use super::runtime::{Execution, Failure, Printed, Status};
use super::stats::Live;
use super::{Context, Function, FunctionError, Model};
use crate::process_stats;

/// The result of an invocation on a thread.
struct Computed {
    answer: Result<Vec<u8>, FunctionError>,
    /// Modelled work.
    work: Duration,
    /// CPU time that was used.
    cpu: Duration,
}

struct Job {
    event: Bytes,
    cold: bool,
    done: oneshot::Sender<Computed>,
}

/// Runs functions on threads. Clones are cheap and share the threads, which end with the last clone.
#[derive(Clone)]
pub(super) struct Threads(Sender<Job>);

impl Threads {
    /// Creates the sender, and the loop that each thread runs.
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

    /// Runs the function once, from the modelled instant `begin` on.
    pub(super) async fn run(
        &self,
        model: &Model,
        event: Bytes,
        cold: bool,
        begin: Instant,
        slow: f64,
    ) -> Option<Execution> {
        let (done, computed) = oneshot::channel();
        self.0.send(Job { event, cold, done }).ok()?;
        let Computed { answer, work, cpu } = computed.await.ok()?;
        let cold_start = cold.then_some(model.cold_start);
        let duration = model.scaled(work).mul_f64(slow) + cpu;
        // The real computation may have waited for a core.
        let end = (begin + cold_start.unwrap_or_default() + duration).max(Instant::now());
        Some(Execution {
            answer: answer.map(Bytes::from).map_err(Failure::from),
            cold_start,
            duration,
            end,
            environment: Some(Environment::Modelled),
            used_mb: model.memory_mb / 2,
            status: Status::Answered,
            printed: Printed::default(),
        })
    }
}

/// Lowers the priority of the calling thread and of the processes that it starts. The cloud has its own
/// cores, so a function must not take CPU time from a dataflow on the same machine.
#[cfg(target_os = "linux")]
pub(super) fn yield_to_others() {
    const STEPS: i32 = 10;
    // On Linux this applies to the thread only. If it fails, the priority stays.
    let _ = rustix::process::nice(STEPS);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn yield_to_others() {}

fn run(function: &dyn Function, live: &Live, number: usize, jobs: &Receiver<Job>) {
    yield_to_others();
    for Job { event, cold, done } in jobs {
        let before = process_stats::thread_cpu();
        let mut context = Context { cold, ..Context::default() };
        let invoked = AssertUnwindSafe(|| function.invoke(&event, &mut context));
        let answer = catch_unwind(invoked).unwrap_or_else(|_| {
            let message = "the function panicked".to_owned();
            Err(FunctionError { error_type: "Runtime.ExitError".to_owned(), message })
        });
        let cpu = process_stats::thread_cpu().saturating_sub(before);
        live.note_cpu(number);
        // The client may have closed the connection. The function ran all the same.
        let _ = done.send(Computed { answer, work: context.work, cpu });
    }
}
