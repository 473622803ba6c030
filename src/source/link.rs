//! The way from a reader thread to a worker.
//!
//! A bounded channel that wakes either side for every batch would switch threads for every batch,
//! where they share a core. So a worker is woken only if it has looked since it was woken, and, where
//! nobody waits for a record in particular, only if enough has come to be worth it; a reader that found
//! no room goes on when most of it is free again.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};

use super::Parcel;

/// What a worker is handed.
#[derive(Debug)]
pub(super) enum Message {
    /// Records of an epoch.
    Records(u64, Parcel),
    /// Everything before this epoch has been handed out.
    Before(u64),
}

/// Wakes a worker.
pub(super) type Waker = Box<dyn Fn() + Send>;

/// Messages a worker may be behind the reader: enough that neither waits for the other's turn.
pub(super) const AHEAD: usize = 16;

/// So many are worth waking a worker for, where records have no schedule and input does not wait.
pub(super) const WORTH_WAKING: usize = AHEAD / 2;

/// So many or fewer, and a reader that waits goes on.
const FEW: usize = 4;

/// A reader looks by itself this often whether there is room, should nobody wake it.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Shared {
    /// The worker has been woken since it last looked.
    is_woken: AtomicBool,
    /// The reader waits for room.
    is_waiting: AtomicBool,
    reader: OnceLock<Thread>,
}

/// The reader's end, before its worker is there.
#[derive(Debug)]
pub(super) struct Unmet {
    messages: Sender<Message>,
    wakers: Receiver<Waker>,
    shared: Arc<Shared>,
}

/// The reader's end.
pub(super) struct Outward {
    messages: Sender<Message>,
    wake: Waker,
    /// So many messages are worth waking the worker for.
    enough: usize,
    shared: Arc<Shared>,
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Inward {
    messages: Receiver<Message>,
    wakers: Sender<Waker>,
    shared: Arc<Shared>,
}

/// Both ends.
pub(super) fn link() -> (Unmet, Inward) {
    let (to, messages) = bounded(AHEAD);
    let (wakers, waker) = bounded(1);
    let shared = Arc::new(Shared::default());
    let unmet = Unmet { messages: to, wakers: waker, shared: Arc::clone(&shared) };
    (unmet, Inward { messages, wakers, shared })
}

impl Unmet {
    /// Waits for the worker, on the reader's own thread; none if it will not come. It will be woken
    /// when there are `enough` messages, and at the end.
    pub(super) fn meet(self, enough: usize) -> Option<Outward> {
        let wake = self.wakers.recv().ok()?;
        let _ = self.shared.reader.set(thread::current());
        Some(Outward { messages: self.messages, wake, enough, shared: self.shared })
    }
}

impl Outward {
    /// Hands a message over, once there is room; false if the worker is gone.
    pub(super) fn send(&self, message: Message) -> bool {
        let mut message = message;
        loop {
            match self.messages.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            // It has something to do, and should know.
            self.wake();
            self.shared.is_waiting.swap(true, AcqRel);
            // Looked at once more: the worker may have looked at the flag before it was set.
            while self.messages.len() > FEW && self.shared.is_waiting.load(Acquire) {
                thread::park_timeout(LOOK);
            }
            self.shared.is_waiting.swap(false, AcqRel);
        }
        // One that is not there any more was seen.
        if self.messages.len() >= self.enough {
            self.wake();
        }
        true
    }

    /// Wakes the worker if anything waits for it: no more may come for a while.
    #[cfg(feature = "kafka")]
    pub(super) fn nudge(&self) {
        if !self.messages.is_empty() {
            self.wake();
        }
    }

    fn wake(&self) {
        if !self.shared.is_woken.swap(true, AcqRel) {
            (self.wake)();
        }
    }

    /// The end of the input is news too.
    pub(super) fn close(self) {
        let Outward { messages, wake, .. } = self;
        drop(messages);
        wake();
    }
}

impl Inward {
    /// How the worker is woken: once, before it looks for the first time.
    pub(super) fn meet(&self, waker: Waker) {
        // There is room for one, and this is the one.
        let _ = self.wakers.try_send(waker);
    }

    /// The worker is about to look for messages.
    pub(super) fn look(&self) {
        // A swap: a store could be seen after the look, and a message between them by nobody.
        self.shared.is_woken.swap(false, AcqRel);
    }

    /// The next message.
    pub(super) fn next(&self) -> Result<Message, TryRecvError> {
        let message = self.messages.try_recv();
        if self.messages.len() <= FEW {
            self.let_reader_go_on();
        }
        message
    }

    fn let_reader_go_on(&self) {
        if self.shared.is_waiting.load(Acquire)
            && self.shared.is_waiting.swap(false, AcqRel)
            && let Some(reader) = self.shared.reader.get()
        {
            reader.unpark();
        }
    }
}

/// The reader learns that nobody wants more.
impl Drop for Inward {
    fn drop(&mut self) {
        // The channel first, or the reader would find it as full as before.
        while self.messages.try_recv().is_ok() {}
        self.let_reader_go_on();
    }
}
