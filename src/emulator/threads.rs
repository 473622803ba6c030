//! The threads that functions run on.

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

/// What a thread computed.
struct Computed {
    answer: Result<Vec<u8>, FunctionError>,
    /// Work to be modelled.
    work: Duration,
    /// CPU time that it took.
    cpu: Duration,
}

struct Job {
    event: Bytes,
    cold: bool,
    done: oneshot::Sender<Computed>,
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
        // What was really computed may have waited for a core.
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

/// The cloud's cores are not this machine's: what a function takes here, a dataflow on the same
/// machine must not lack. Of the calling thread, and of the processes that it starts.
#[cfg(target_os = "linux")]
pub(super) fn yield_to_others() {
    const STEPS: i32 = 10;
    // On Linux of this thread only. One that cannot competes.
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
        // Whoever hung up does not hear of it; it ran all the same.
        let _ = done.send(Computed { answer, work: context.work, cpu });
    }
}
