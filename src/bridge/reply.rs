//! How replies get back to a worker: a channel, and a wake-up for many of them at once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Failure;
use super::body_memory::MemoryPermit;
use super::local_load::LocalLoad;

/// What became of a range of a part.
#[derive(Debug)]
pub struct Reply<O> {
    /// The part's.
    pub id: u64,
    /// Which of its records: a part may be answered in several ranges, each record in one.
    pub range: Range<usize>,
    /// What the attempts at them cost, in US dollars.
    pub usd: f64,
    /// What became of them.
    pub outcome: Outcome<O>,
}

/// What became of records that were sent away.
#[derive(Debug)]
pub enum Outcome<O> {
    /// They were done.
    Done {
        /// Their results, in order.
        out: O,
        /// Positions of those that the function refused: they come home.
        refused: Vec<usize>,
        /// A second attempt was answered first.
        hedged: bool,
    },
    /// All of them come home.
    Returned(Failure),
}

/// A reply, and the permit for the memory of its results until the worker takes them.
type Message<O> = (Reply<O>, Option<Arc<MemoryPermit>>);

/// Where the bridge leaves a worker's replies.
pub struct ReplySender<O> {
    replies: Sender<Message<O>>,
    waker: Arc<CoalescedWaker>,
    /// How busy the worker is.
    local_load: Arc<LocalLoad>,
}

impl<O> Clone for ReplySender<O> {
    fn clone(&self) -> Self {
        let (waker, local_load) = (Arc::clone(&self.waker), Arc::clone(&self.local_load));
        ReplySender { replies: self.replies.clone(), waker, local_load }
    }
}

/// Where the worker takes them.
pub struct ReplyReceiver<O> {
    replies: Receiver<Message<O>>,
    waker: Arc<CoalescedWaker>,
}

/// Wakes a worker, at most once until it has looked.
pub(super) struct CoalescedWaker {
    rung: AtomicBool,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// A port and its inbox; `wake` is called on the bridge's thread when there is something in an
/// inbox that was empty.
pub fn reply_channel<O>(wake: Arc<dyn Fn() + Send + Sync>) -> (ReplySender<O>, ReplyReceiver<O>) {
    let (sender, replies) = unbounded();
    let waker = Arc::new(CoalescedWaker { rung: AtomicBool::new(false), wake });
    let sender =
        ReplySender { replies: sender, waker: Arc::clone(&waker), local_load: Arc::default() };
    (sender, ReplyReceiver { replies, waker })
}

impl CoalescedWaker {
    pub(super) fn wake(&self) {
        if !self.rung.swap(true, AcqRel) {
            (self.wake)();
        }
    }
}

impl<O> ReplySender<O> {
    pub(super) fn waker(&self) -> &Arc<CoalescedWaker> {
        &self.waker
    }

    /// Where the worker says how busy it is.
    pub fn local_load(&self) -> &Arc<LocalLoad> {
        &self.local_load
    }

    /// Leaves a reply, and wakes the worker if nobody has since it last looked.
    pub fn send(&self, reply: Reply<O>) {
        self.send_with(reply, None);
    }

    /// The same of a reply whose results have a permit for their memory.
    pub(super) fn send_with(&self, reply: Reply<O>, permit: Option<Arc<MemoryPermit>>) {
        // A worker that is gone needs no reply.
        if self.replies.send((reply, permit)).is_ok() {
            self.waker.wake();
        }
    }
}

impl<O> ReplyReceiver<O> {
    /// Asks to be woken again: before the inbox is emptied, never after. A swap and not a store: a
    /// store may still be on its way while the inbox reads as empty, the next sender sees the old
    /// flag, and the worker sleeps for ever.
    pub fn rearm(&self) {
        self.waker.rung.swap(false, AcqRel);
    }

    /// The next reply, if there is one.
    pub fn try_recv(&self) -> Option<Reply<O>> {
        self.replies.try_recv().ok().map(|(reply, _)| reply)
    }
}
