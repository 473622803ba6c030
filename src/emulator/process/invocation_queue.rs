//! What passes between an environment's process and the service: events one way, answers the other.
//!
//! An event is handed over once, and belongs to the process from then on. One that the process has not
//! fetched yet is not begun: if the process is gone by then, another one may have it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::super::runtime::Failure;

/// An event on its way to a function.
#[derive(Debug)]
pub(super) struct Call {
    pub id: String,
    pub event: Bytes,
    /// When the function must have answered, in milliseconds since 1970.
    pub deadline_ms: u64,
    pub arn: String,
    pub trace: String,
}

/// What a function made of an event.
pub(super) type Answer = Result<Bytes, Failure>;

/// How far the process is with its start.
#[derive(Clone, Debug)]
pub(super) enum Init {
    Starting,
    /// It has asked for an event.
    Ready,
    /// It has said that it cannot start.
    Failed(Failure),
}

/// What a process must not ask in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// There is no such request, or it is answered.
    Id,
    /// Not now.
    State,
}

/// The two sides meet here. Nobody waits with the lock held.
pub(super) struct InvocationQueue {
    state: Mutex<QueueState>,
    init: watch::Sender<Init>,
}

#[derive(Default)]
struct QueueState {
    /// The process's poll, while it waits for an event.
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
        // It is whole between two calls.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service's side: waits until the process has asked for an event, or said that it cannot.
    pub(super) async fn initialized(&self) -> Result<(), Failure> {
        let mut init = self.init.subscribe();
        match init.wait_for(|init| !matches!(init, Init::Starting)).await.as_deref() {
            Ok(Init::Failed(failure)) => Err(failure.clone()),
            // The sender is here as long as this is.
            Ok(Init::Ready | Init::Starting) | Err(_) => Ok(()),
        }
    }

    /// The service's side: hands an event over, and answers where its answer will be.
    pub(super) fn hand_over(&self, call: Arc<Call>) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state();
        let poll = state.poll.take();
        // A poll whose connection is gone takes nothing.
        let begun = poll.is_some_and(|poll| poll.send(Arc::clone(&call)).is_ok());
        state.current = Some(Current { call, begun, answer });
        answered
    }

    /// The service's side: whether the process has fetched the event that was handed over.
    pub(super) fn has_begun(&self) -> bool {
        self.state().current.as_ref().is_none_or(|current| current.begun)
    }

    /// The process's side: the next event.
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
        // A second poll takes the place of the first.
        event.await.map_err(|_| Wrong::State)
    }

    /// The process's side: answers request `id`, once.
    pub(super) fn answer(&self, id: &str, answer: Answer) -> Result<(), Wrong> {
        let mut state = self.state();
        let current = state.current.take_if(|current| current.begun && current.call.id == id);
        // Whoever asked may have given up: it was answered all the same.
        let _ = current.ok_or(Wrong::Id)?.answer.send(answer);
        Ok(())
    }

    /// The process's side: it cannot start.
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
