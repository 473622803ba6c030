//! The channel from a reader thread to a worker.
//!
//! A bounded channel that wakes a side for every batch would switch threads for every batch if they share a core. So a
//! worker is woken only if it has polled since it was last woken. If records have no schedule, it is also woken only
//! when several messages wait. A reader that found no room continues when most of the room is free again.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{TryRecvError, TrySendError};

use super::SourceBatch;
use crate::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire};
use crate::sync::thread::{self, Thread};
use crate::sync::{Receiver, Sender, bounded};

/// A message from a reader to a worker.
#[derive(Debug)]
pub(super) enum Message {
    /// Records of an epoch.
    Records(u64, SourceBatch),
    /// All records before this epoch have been sent.
    Before(u64),
}

/// A function that wakes a worker.
pub(super) type Waker = Box<dyn Fn() + Send>;

/// The capacity of the channel in messages. It is large enough that neither side has to wait until the other one runs.
pub(super) const CAPACITY: usize = 16;

/// The number of messages for which a worker is woken, if records have no schedule and input does not wait.
pub(super) const WORTH_WAKING: usize = CAPACITY / 2;

/// The number of messages at which a waiting reader continues.
const LOW_WATER: usize = 4;

/// The interval at which a waiting reader checks for room by itself.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Handoff {
    /// Whether the worker was woken since it last polled.
    is_woken: AtomicBool,
    /// Whether the reader waits for room.
    is_waiting: AtomicBool,
    reader: OnceLock<Thread>,
}

/// The sending end, before its worker is known.
pub(super) struct UnboundSender {
    messages: Sender<Message>,
    wakers: Receiver<Waker>,
    handoff: Arc<Handoff>,
}

/// The sending end, which the reader holds.
pub(super) struct BatchSender {
    messages: Sender<Message>,
    wake: Waker,
    /// The number of messages for which the worker is woken.
    wake_at: usize,
    handoff: Arc<Handoff>,
}

/// The receiving end, which the worker holds.
pub(super) struct BatchReceiver {
    messages: Receiver<Message>,
    wakers: Sender<Waker>,
    /// This field is dropped after the channel: a reader that waits for room then finds that the channel has ended.
    handoff: WorkerHandoff,
}

impl fmt::Debug for BatchReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchReceiver").finish_non_exhaustive()
    }
}

/// The worker's side of the handoff. When it is dropped, the reader stops waiting.
struct WorkerHandoff(Arc<Handoff>);

/// Creates both ends.
pub(super) fn channel() -> (UnboundSender, BatchReceiver) {
    let (to, messages) = bounded(CAPACITY);
    let (wakers, waker) = bounded(1);
    let handoff = Arc::new(Handoff::default());
    let sender = UnboundSender { messages: to, wakers: waker, handoff: Arc::clone(&handoff) };
    (sender, BatchReceiver { messages, wakers, handoff: WorkerHandoff(handoff) })
}

impl UnboundSender {
    /// Waits for the worker, on the thread of the reader. Returns None if the worker has ended. The worker is woken
    /// when `wake_at` messages wait, and at the end.
    pub(super) fn bind(self, wake_at: usize) -> Option<BatchSender> {
        let wake = self.wakers.recv().ok()?;
        let _ = self.handoff.reader.set(thread::current());
        Some(BatchSender { messages: self.messages, wake, wake_at, handoff: self.handoff })
    }
}

impl BatchSender {
    /// Sends a message as soon as there is room. Returns false if the worker has ended.
    pub(super) fn send(&self, message: Message) -> bool {
        let mut message = message;
        loop {
            match self.messages.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            // The channel is full, so the worker has something to do.
            self.wake();
            self.handoff.is_waiting.swap(true, AcqRel);
            // The worker may have read the flag before it was set, so this checks for room again.
            while self.messages.len() > LOW_WATER && self.handoff.is_waiting.load(Acquire) {
                thread::park_timeout(POLL_INTERVAL);
            }
            self.handoff.is_waiting.swap(false, AcqRel);
        }
        // A message that was already taken needs no wake-up.
        if self.messages.len() >= self.wake_at {
            self.wake();
        }
        true
    }

    /// Wakes the worker if messages wait for it, because the next ones may take a while.
    #[cfg(feature = "kafka")]
    pub(super) fn flush(&self) {
        if !self.messages.is_empty() {
            self.wake();
        }
    }

    fn wake(&self) {
        if !self.handoff.is_woken.swap(true, AcqRel) {
            (self.wake)();
        }
    }

    /// Ends the channel, and wakes the worker.
    pub(super) fn close(self) {
        let BatchSender { messages, wake, .. } = self;
        drop(messages);
        wake();
    }
}

impl BatchReceiver {
    /// Sets how the worker is woken. It is called once, before the worker polls for the first time.
    pub(super) fn bind(&self, waker: Waker) {
        // The channel has room for one waker, and this is the only one.
        let _ = self.wakers.try_send(waker);
    }

    /// Marks that the worker is about to poll.
    pub(super) fn begin_poll(&self) {
        // This is a swap because a store may become visible after the poll. Then nobody would notice a message that
        // comes between the two.
        self.handoff.0.is_woken.swap(false, AcqRel);
    }

    /// Returns the next message.
    pub(super) fn next(&self) -> Result<Message, TryRecvError> {
        let message = self.messages.try_recv();
        if self.messages.len() <= LOW_WATER {
            self.handoff.unpark_reader();
        }
        message
    }
}

impl WorkerHandoff {
    fn unpark_reader(&self) {
        let WorkerHandoff(handoff) = self;
        if handoff.is_waiting.load(Acquire)
            && handoff.is_waiting.swap(false, AcqRel)
            && let Some(reader) = handoff.reader.get()
        {
            reader.unpark();
        }
    }
}

impl Drop for WorkerHandoff {
    fn drop(&mut self) {
        self.unpark_reader();
    }
}
