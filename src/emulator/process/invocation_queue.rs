//! The exchange between an environment's process and the service: events in one direction, answers in the
//! other.
//!
//! An event is handed over once, and then belongs to the process. An event that the process has not fetched
//! has not begun: if the process ends before that, another one can receive it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::super::runtime::Failure;

/// An event for a function.
#[derive(Debug)]
pub(super) struct Call {
    pub id: String,
    pub event: Bytes,
    /// The time by which the function must answer, in milliseconds since 1970.
    pub deadline_ms: u64,
    pub arn: String,
    pub trace: String,
}

/// The function's answer to an event.
pub(super) type Answer = Result<Bytes, Failure>;

/// The state of a process that starts.
#[derive(Clone, Debug)]
pub(super) enum Init {
    Starting,
    /// The process has asked for an event.
    Ready,
    /// The process has reported that it cannot start.
    Failed(Failure),
}

/// A request that the process may not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// There is no open request with this id.
    Id,
    /// The request is not allowed in this state.
    State,
}

/// Connects a process with the service. Nobody waits with the lock held.
pub(super) struct InvocationQueue {
    state: Mutex<QueueState>,
    init: watch::Sender<Init>,
}

#[derive(Default)]
struct QueueState {
    /// The poll of the process that waits for an event.
    poll: Option<oneshot::Sender<Arc<Call>>>,
    current: Option<Current>,
}

struct Current {
    call: Arc<Call>,
    begun: bool,
    answer: oneshot::Sender<Answer>,
}

impl InvocationQueue {
    pub(super) fn new() -> Self {
        InvocationQueue { state: Mutex::default(), init: watch::Sender::new(Init::Starting) }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        // The data is consistent even if a thread panicked while it held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the service: waits until the process has asked for an event, or reported that it cannot start.
    pub(super) async fn initialized(&self) -> Result<(), Failure> {
        let mut init = self.init.subscribe();
        match init.wait_for(|init| !matches!(init, Init::Starting)).await.as_deref() {
            Ok(Init::Failed(failure)) => Err(failure.clone()),
            // The sender exists as long as `self`.
            Ok(Init::Ready | Init::Starting) | Err(_) => Ok(()),
        }
    }

    /// For the service: passes an event to the process, and returns the channel of its answer.
    pub(super) fn hand_over(&self, call: Arc<Call>) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state();
        let poll = state.poll.take();
        // A poll whose connection is closed receives nothing.
        let begun = poll.is_some_and(|poll| poll.send(Arc::clone(&call)).is_ok());
        state.current = Some(Current { call, begun, answer });
        answered
    }

    /// For the service: whether the process has fetched the event.
    pub(super) fn has_begun(&self) -> bool {
        self.state().current.as_ref().is_none_or(|current| current.begun)
    }

    /// For the process: returns the next event.
    pub(super) async fn next(&self) -> Result<Arc<Call>, Wrong> {
        let event = {
            let mut state = self.state();
            match &mut state.current {
                Some(current) if current.begun => return Err(Wrong::State),
                Some(current) => {
                    current.begun = true;
                    return Ok(Arc::clone(&current.call));
                }
                None => {
                    let (poll, event) = oneshot::channel();
                    state.poll = Some(poll);
                    event
                }
            }
        };
        self.init.send_if_modified(|init| {
            let starting = matches!(init, Init::Starting);
            if starting {
                *init = Init::Ready;
            }
            starting
        });
        // A second poll replaces the first one.
        event.await.map_err(|_| Wrong::State)
    }

    /// For the process: answers the request `id`, once.
    pub(super) fn answer(&self, id: &str, answer: Answer) -> Result<(), Wrong> {
        let mut state = self.state();
        let current = state.current.take_if(|current| current.begun && current.call.id == id);
        // The service may have given up waiting. The request counts as answered all the same.
        let _ = current.ok_or(Wrong::Id)?.answer.send(answer);
        Ok(())
    }

    /// For the process: reports that it cannot start.
    pub(super) fn cannot_start(&self, failure: Failure) -> Result<(), Wrong> {
        let said = self.init.send_if_modified(|init| {
            let starting = matches!(init, Init::Starting);
            if starting {
                *init = Init::Failed(failure);
            }
            starting
        });
        said.then_some(()).ok_or(Wrong::State)
    }
}
