//! Environments that are processes. They use AWS's Runtime API, as they do in the cloud.
//!
//! A process is started when a request finds none free, and it belongs to that request until it is ready, as
//! in the cloud. It is reused, the one used last first. It ends when it has been idle for too long. It is
//! killed with all its children when it exceeds its timeout or its memory, and it is replaced after a crash.
//! While it waits or prints, it delays no other process.

mod api;
mod environment;
mod groups;
mod invocation_queue;
mod memory;
mod output;
mod starter;

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::runtime::Handle;

pub(super) use environment::Process;
pub(super) use groups::Groups;

use super::environments::Environment;
use super::report::request_id;
use super::runtime::{Execution, Failure, Printed, Status};
use super::stats::Live;
use super::{Model, Package};
use environment::{Ended, InitError, endpoint};
use invocation_queue::{Answer, Call};
use starter::Starter;

/// Why a function's process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system cannot provide threads, ports or pipes.
    #[error("the local Lambda cannot start")]
    Io(#[from] io::Error),
    /// The program cannot be run.
    #[error("{program} cannot be run")]
    Spawn {
        /// The program.
        program: String,
        /// The reason.
        #[source]
        error: io::Error,
    },
    /// The process ended, reported an error or took too long before it asked for an event.
    #[error("the function does not start: {reason}{printed}")]
    Init {
        /// The reason in AWS's words.
        reason: String,
        /// The end of its output, on lines of its own.
        printed: String,
    },
}

/// Starts and runs processes.
pub(super) struct Processes {
    package: Package,
    memory_mb: u32,
    show: bool,
    groups: Arc<Groups>,
    group_memory: Arc<memory::GroupMemory>,
    starter: Starter,
    live: Arc<Live>,
}

/// A process that did not start, and the result of the attempt.
struct NotStarted {
    failure: Failure,
    status: Status,
    printed: Vec<u8>,
    used_mb: u32,
}

impl Processes {
    /// Creates processes that are watched on `runtime`.
    pub(super) fn new(
        package: Package,
        model: &Model,
        show: bool,
        groups: &Arc<Groups>,
        live: &Arc<Live>,
        runtime: Handle,
    ) -> io::Result<Processes> {
        let (groups, live) = (Arc::clone(groups), Arc::clone(live));
        let (group_memory, starter) = (Arc::default(), Starter::new(runtime)?);
        let memory_mb = model.memory_mb;
        Ok(Processes { package, memory_mb, show, groups, group_memory, starter, live })
    }

    /// Returns the longest time of an invocation.
    pub(super) fn timeout(&self) -> Duration {
        self.package.timeout()
    }

    async fn start(&self) -> Result<Process, StartError> {
        let listener = endpoint().await?;
        let command = self.package.command(listener.local_addr()?, self.memory_mb);
        let memory = (self.memory_mb, &self.group_memory);
        let starter = &self.starter;
        self.live.cold_starts.fetch_add(1, Relaxed);
        Process::start(command, listener, starter, &self.groups, memory, self.show).await
    }

    /// Starts a process without a request, to check that it starts.
    pub(super) async fn try_start(&self) -> Result<Box<Process>, StartError> {
        let mut process = self.start().await?;
        let limit = self.package.init_timeout();
        let Err(error) = process.initialized(limit).await else { return Ok(Box::new(process)) };
        let reason = match error {
            InitError::Reported(failure) => failure.message(),
            InitError::Exited(status) => exited(status),
            InitError::TooMuchMemory => format!("it takes more than {} MB", self.memory_mb),
            InitError::TimedOut => format!("it asked for no event within {limit:?}"),
        };
        let printed = process.output.take();
        let lines = String::from_utf8_lossy(&printed);
        let printed = lines.lines().map(|line| format!("\n  {line}")).collect();
        Err(StartError::Init { reason, printed })
    }

    /// Runs the function once, for at most `limit`: in the process `warm`, or in one that is started for the request.
    pub(super) async fn run(
        &self,
        warm: Option<Box<Process>>,
        number: u64,
        event: Bytes,
        limit: Duration,
    ) -> Execution {
        let id = request_id(number);
        let mut warm = warm.and_then(|mut process| process.is_alive().then_some(process));
        loop {
            let (mut process, cold) = match warm.take() {
                Some(process) => (process, Cold::default()),
                None => match self.start_for(&id).await {
                    Ok(started) => started,
                    Err(ran) => return *ran,
                },
            };
            let before = [cold.printed, process.output.take()].concat();
            let began = Instant::now();
            let left = limit.saturating_sub(cold.within);
            let call = Arc::new(self.call(id.clone(), event.clone(), left));
            let ended = process.invoke(call, began + left).await;
            let duration = cold.within + began.elapsed();
            let (answer, status) = match ended {
                Ended::Answered(answer) => (answer, Status::Answered),
                // The warm process ended before it fetched the event, so another process receives it.
                Ended::NotStarted if cold.start.is_none() => continue,
                Ended::TimedOut | Ended::NotStarted => timed_out(&id, limit),
                Ended::Exited(status) => failed(&id, &exited(status)),
                Ended::TooMuchMemory => failed(&id, &killed()),
            };
            let mut printed = Printed { before, during: process.output.take() };
            if let (Err(failure), false) = (&answer, status == Status::Answered) {
                note(&mut printed.during, &failure.message());
            }
            let used_mb = process.memory.peak_mb();
            let end = Instant::now();
            let environment = (status == Status::Answered).then_some(Environment::Process(process));
            let cold_start = cold.start;
            return Execution {
                answer,
                cold_start,
                duration,
                end,
                environment,
                used_mb,
                status,
                printed,
            };
        }
    }

    /// Starts a process for request `id`. As in the cloud, a process that fails or does not ask for an event
    /// within ten seconds is started once more, within the time of the invocation.
    async fn start_for(&self, id: &str) -> Result<(Box<Process>, Cold), Box<Execution>> {
        let began = Instant::now();
        let limit = self.package.init_timeout();
        let NotStarted { status, mut printed, used_mb, .. } =
            match self.start_within(id, limit).await {
                Ok(process) => {
                    let start = Some(began.elapsed());
                    return Ok((process, Cold { start, ..Cold::default() }));
                }
                Err(not) => not,
            };
        let start = began.elapsed();
        note(&mut printed, &init_report("init", start, &status));
        let mut cold = Cold { start: Some(start), printed, ..Cold::default() };
        let again = Instant::now();
        match self.start_within(id, self.package.timeout()).await {
            Ok(process) => {
                cold.within = again.elapsed();
                Ok((process, cold))
            }
            Err(mut not) => {
                let took = again.elapsed();
                note(&mut not.printed, &init_report("invoke", took, &not.status));
                let used_mb = used_mb.max(not.used_mb);
                Err(Box::new(NotStarted { used_mb, ..not }.ran(cold, took)))
            }
        }
    }

    async fn start_within(&self, id: &str, limit: Duration) -> Result<Box<Process>, NotStarted> {
        let mut process = self.start().await.map_err(|error| {
            let message = format!("RequestId: {id} Error: {}", chain(&error));
            let failure = Failure::new("Runtime.InvalidEntrypoint", &message);
            let status = Status::Failed(failure.error_type.clone());
            NotStarted { failure, status, printed: Vec::new(), used_mb: 0 }
        })?;
        let Err(error) = process.initialized(limit).await else { return Ok(Box::new(process)) };
        let (answer, status): (Answer, Status) = match error {
            InitError::TimedOut => timed_out(id, self.package.timeout()),
            InitError::Exited(status) => failed(id, &exited(status)),
            InitError::TooMuchMemory => failed(id, &killed()),
            InitError::Reported(failure) => {
                let status = Status::Failed(failure.error_type.clone());
                (Err(failure), status)
            }
        };
        process.memory.was_exceeded();
        let (printed, used_mb) = (process.output.take(), process.memory.peak_mb());
        // In all other cases there is no answer.
        let failure = answer.err().unwrap_or_else(|| Failure::new("Runtime.ExitError", ""));
        Err(NotStarted { failure, status, printed, used_mb })
    }

    fn call(&self, id: String, event: Bytes, left: Duration) -> Call {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_ms = u64::try_from((now + left).as_millis()).unwrap_or(u64::MAX);
        let trace = format!("Root=1-{:08x}-{};Sampled=0", now.as_secs(), trace_of(&id));
        Call { id, event, deadline_ms, arn: self.package.arn(), trace }
    }
}

fn timed_out(id: &str, limit: Duration) -> (Answer, Status) {
    let seconds = limit.as_secs_f64();
    let message = format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds");
    (Err(Failure::new("Sandbox.Timedout", &message)), Status::TimedOut)
}

/// What is known about a cold start.
#[derive(Default)]
struct Cold {
    start: Option<Duration>,
    /// The part of it that counts as the invocation's own time.
    within: Duration,
    printed: Vec<u8>,
}

impl NotStarted {
    /// The result of the invocation for which the process was started.
    fn ran(self, cold: Cold, duration: Duration) -> Execution {
        let NotStarted { failure, status, printed, used_mb } = self;
        let mut printed = Printed { before: cold.printed, during: printed };
        note(&mut printed.during, &failure.message());
        Execution {
            answer: Err(failure),
            cold_start: cold.start,
            duration,
            end: Instant::now(),
            environment: None,
            used_mb,
            status,
            printed,
        }
    }
}

/// Returns what AWS writes to the log when a start fails.
fn init_report(phase: &str, took: Duration, status: &Status) -> String {
    let took = took.as_secs_f64() * 1e3;
    let how = match status {
        Status::TimedOut => "timeout".to_owned(),
        Status::Failed(kind) => format!("error\tError Type: {kind}"),
        Status::Answered => "success".to_owned(),
    };
    format!("INIT_REPORT Init Duration: {took:.2} ms\tPhase: {phase}\tStatus: {how}")
}

fn failed(id: &str, what: &str) -> (Answer, Status) {
    const KIND: &str = "Runtime.ExitError";
    let failure = Failure::new(KIND, &format!("RequestId: {id} Error: {what}"));
    (Err(failure), Status::Failed(KIND.to_owned()))
}

/// Describes an exit status in AWS's words.
fn exited(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => killed(),
        (None, signal) => {
            let number = signal.unwrap_or_default();
            let name = match number {
                6 => "aborted".to_owned(),
                11 => "segmentation fault".to_owned(),
                15 => "terminated".to_owned(),
                other => other.to_string(),
            };
            format!("Runtime exited with error: signal: {name}")
        }
    }
}

fn killed() -> String {
    "Runtime exited with error: signal: killed".to_owned()
}

fn chain(error: &StartError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Appends a line of the service to the log.
fn note(log: &mut Vec<u8>, line: &str) {
    if log.last().is_some_and(|last| *last != b'\n') {
        log.push(b'\n');
    }
    log.extend_from_slice(line.as_bytes());
    log.push(b'\n');
}

/// Returns 24 hexadecimal digits.
fn trace_of(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    digits.get(8..32).unwrap_or("000000000000000000000000").to_owned()
}
