//! Channels with crossbeam's semantics, made of shuttle's primitives. When the receiver ends, the messages
//! that it has not taken are dropped at once. (Shuttle's own channel keeps them until the last sender ends.)

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crossbeam_channel::{RecvError, SendError, TryRecvError, TrySendError};
use shuttle::sync::{Condvar, Mutex, MutexGuard};

struct State<T> {
    messages: VecDeque<T>,
    senders: usize,
    has_receiver: bool,
}

struct Channel<T> {
    state: Mutex<State<T>>,
    /// A message was sent, or the last sender has ended.
    changed: Condvar,
    /// The most messages that may wait.
    capacity: usize,
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), senders: 1, has_receiver: true };
    let channel = Channel { state: Mutex::new(state), changed: Condvar::new(), capacity };
    let channel = Arc::new(channel);
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    /// Sends a message on a channel that is never full.
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.try_send(message).map_err(|error| SendError(error.into_inner()))
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.lock();
        if !state.has_receiver {
            return Err(TrySendError::Disconnected(message));
        }
        if state.messages.len() == self.0.capacity {
            return Err(TrySendError::Full(message));
        }
        state.messages.push_back(message);
        self.0.changed.notify_one();
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().messages.len()
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> State<T> {
    fn next(&mut self) -> Result<T, TryRecvError> {
        let end = if self.senders == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty };
        self.messages.pop_front().ok_or(end)
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.lock().next()
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.lock();
        loop {
            match state.next() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => {}
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().messages.len()
    }

    pub(crate) fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.try_recv().ok())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_one();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_receiver = false;
        let left = std::mem::take(&mut state.messages);
        // Dropping a message may send another one, so the lock is released first.
        drop(state);
        drop(left);
    }
}
