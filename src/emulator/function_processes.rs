//! Processes of a function folder without the service around them: whoever has them passes the events.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::environments::Environment;
use super::process::{Groups, Process, Processes, StartError};
use super::runtime::{Execution, Failure, Status};
use super::stats::Live;
use super::{Model, Package};

/// Starts processes of a function, and invokes the function in them.
pub(crate) struct FunctionProcesses {
    processes: Processes,
    groups: Arc<Groups>,
    timeout: Duration,
    invocations: AtomicU64,
}

/// A process of a function. It is killed with its children when it is dropped.
pub(crate) struct FunctionProcess(Box<Process>);

/// Why an invocation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvokeError {
    pub kind: InvokeErrorKind,
    /// What the function or the service says.
    pub message: String,
}

/// How an invocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvokeErrorKind {
    /// The function raised an error.
    Raised,
    /// The process ended, or was killed because it exceeded its memory.
    Exited,
    /// The function did not answer in time, and the process was killed.
    TimedOut,
}

impl FunctionProcesses {
    /// Creates processes that are watched on `runtime`. Each may use `memory_mb` MB. `show_output` says whether what they
    /// print is shown.
    ///
    /// # Errors
    /// If the system cannot provide a thread.
    pub(crate) fn new(
        package: Package,
        memory_mb: u32,
        show_output: bool,
        runtime: Handle,
    ) -> io::Result<Self> {
        let (groups, live, timeout) =
            (Arc::new(Groups::new()), Arc::new(Live::new(0)), package.timeout());
        let model = Model { memory_mb, ..Model::default() };
        let processes = Processes::new(package, &model, show_output, &groups, &live, runtime)?;
        Ok(FunctionProcesses { processes, groups, timeout, invocations: AtomicU64::new(0) })
    }

    /// Returns the longest time of an invocation.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Starts a process, and waits until it asks for an event.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) async fn start(&self) -> Result<FunctionProcess, StartError> {
        self.processes.try_start().await.map(FunctionProcess)
    }

    /// Invokes the function in `process`, which takes at most `limit`. Returns also the process, if it can be used
    /// again.
    pub(crate) async fn invoke(
        &self,
        FunctionProcess(process): FunctionProcess,
        event: Bytes,
        limit: Duration,
    ) -> (Result<Bytes, InvokeError>, Option<FunctionProcess>) {
        let number = self.invocations.fetch_add(1, Relaxed);
        let Execution { answer, environment, status, .. } =
            self.processes.run(Some(process), number, event, limit).await;
        let process = match environment {
            Some(Environment::Process(process)) => Some(FunctionProcess(process)),
            _ => None,
        };
        (answer.map_err(|failure| InvokeError::new(&failure, &status)), process)
    }

    /// Ends all processes, and those that are started later.
    pub(crate) fn end(&self) {
        self.groups.end_all();
    }
}

impl InvokeError {
    fn new(failure: &Failure, status: &Status) -> Self {
        let kind = match status {
            Status::Answered => InvokeErrorKind::Raised,
            Status::TimedOut => InvokeErrorKind::TimedOut,
            Status::Failed(_) => InvokeErrorKind::Exited,
        };
        let said = failure.message();
        // What the service says begins with the number of the request.
        let message = match said.split_once(" Error: ") {
            Some((request, rest)) if request.starts_with("RequestId: ") => rest.to_owned(),
            _ if kind == InvokeErrorKind::Raised => format!("{}: {said}", failure.kind()),
            _ => said,
        };
        InvokeError { kind, message }
    }
}
