//! One environment: its process, its endpoint, its output and its memory.

use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::super::runtime::Failure;
use super::groups::Groups;
use super::invocation_queue::{Answer, Call, InvocationQueue};
use super::memory::{self, Memory};
use super::output::Output;
use super::starter::Starter;
use super::{StartError, api};

/// A process that runs the function. It is killed with its children when it is dropped.
pub(in super::super) struct Process {
    child: Child,
    leader: Pid,
    queue: Arc<InvocationQueue>,
    groups: Arc<Groups>,
    endpoint: JoinHandle<()>,
    pub(super) output: Output,
    pub(super) memory: Memory,
}

/// How an invocation ended.
pub(super) enum Ended {
    Answered(Answer),
    TimedOut,
    Exited(ExitStatus),
    /// The process has ended or stopped polling before it got the event.
    NotStarted,
    /// The process was killed because of its memory.
    TooMuchMemory,
}

/// The reason why a process did not ask for its first event.
pub(super) enum InitError {
    Reported(Failure),
    Exited(ExitStatus),
    TimedOut,
    TooMuchMemory,
}

/// Binds the endpoint of a process that will be started.
pub(super) async fn endpoint() -> std::io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

impl Process {
    /// Starts `command` with the address of `listener` in its environment.
    pub(super) async fn start(
        mut command: Command,
        listener: TcpListener,
        starter: &Starter,
        groups: &Arc<Groups>,
        memory: (u32, &Arc<memory::GroupMemory>),
        show: bool,
    ) -> Result<Process, StartError> {
        let (output, out, err) = Output::new(show).map_err(StartError::Io)?;
        command.stdout(out).stderr(err);
        let program = command.get_program().to_string_lossy().into_owned();
        let spawned = starter.start(command).await;
        let child = spawned.map_err(|error| StartError::Spawn { program, error })?;
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let leader = leader.ok_or_else(|| StartError::Io(std::io::ErrorKind::NotFound.into()))?;
        groups.add(leader);
        let queue = Arc::new(InvocationQueue::new());
        let endpoint = tokio::spawn(api::serve(listener, Arc::clone(&queue)));
        let (limit_mb, of_groups) = memory;
        let memory = Memory::new(leader, limit_mb, of_groups);
        Ok(Process { child, leader, queue, groups: Arc::clone(groups), endpoint, output, memory })
    }

    /// Waits until the process has asked for its first event.
    pub(super) async fn initialized(&mut self, limit: Duration) -> Result<(), InitError> {
        tokio::select! {
            biased;
            ready = self.queue.initialized() => ready.map_err(InitError::Reported),
            status = self.child.wait() => Err(match status {
                Ok(status) => InitError::Exited(status),
                Err(_) => InitError::TimedOut,
            }),
            () = self.memory.is_exceeded() => Err(InitError::TooMuchMemory),
            () = tokio::time::sleep(limit) => Err(InitError::TimedOut),
        }
    }

    /// Returns whether the process is running.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Passes an event to the process, and waits for its answer until `deadline`.
    pub(super) async fn invoke(&mut self, call: Arc<Call>, deadline: Instant) -> Ended {
        let mut answer = self.queue.hand_over(call);
        let ended = tokio::select! {
            biased;
            answer = &mut answer => answer.map_or(Ended::TimedOut, Ended::Answered),
            () = self.memory.is_exceeded() => Ended::TooMuchMemory,
            status = self.child.wait() => match status {
                Ok(status) => Ended::Exited(status),
                Err(_) => Ended::TimedOut,
            },
            () = tokio::time::sleep_until(deadline.into()) => Ended::TimedOut,
        };
        match ended {
            Ended::Exited(_) | Ended::TimedOut if !self.queue.has_begun() => Ended::NotStarted,
            // The peak between two measurements counts too.
            Ended::Answered(_) | Ended::Exited(_) if self.memory.was_exceeded() => {
                Ended::TooMuchMemory
            }
            ended => ended,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.groups.end(self.leader);
        self.endpoint.abort();
    }
}
