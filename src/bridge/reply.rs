//! How replies reach a worker: a channel, and one wake-up for many replies.

use std::ops::Range;
use std::sync::Arc;

use super::Failure;
use super::body_memory::MemoryPermit;
use super::local_load::LocalLoad;
use crate::sync::atomic::{AtomicBool, Ordering::AcqRel};
use crate::sync::{Receiver, Sender, unbounded};
use crate::task::Code;

/// The outcome of a range of a work item.
#[derive(Debug)]
pub struct Reply<O> {
    /// Id of the work item.
    pub id: u64,
    /// The records that it answers. A work item may be answered in several ranges; each record is in one of
    /// them.
    pub range: Range<usize>,
    /// Cost of the attempts at these records, in US dollars.
    pub usd: f64,
    /// The outcome.
    pub outcome: Outcome<O>,
}

/// Outcome of records that were sent.
#[derive(Debug)]
pub enum Outcome<O> {
    /// The records have results.
    Done {
        /// The results, in order.
        out: O,
        /// Positions of the records that the function refused, in order, and why. They are returned.
        refused: Vec<(usize, Code)>,
        /// Whether the response is that of a hedge.
        hedged: bool,
    },
    /// All records are returned.
    Returned(Failure),
}

/// A reply, and the memory permit of its results until the worker takes them.
type Message<O> = (Reply<O>, Option<Arc<MemoryPermit>>);

/// The bridge's end of a worker's channel of replies.
pub struct ReplySender<O> {
    replies: Sender<Message<O>>,
    waker: Arc<CoalescedWaker>,
    /// The load of the worker.
    local_load: Arc<LocalLoad>,
}

impl<O> Clone for ReplySender<O> {
    fn clone(&self) -> Self {
        let (waker, local_load) = (Arc::clone(&self.waker), Arc::clone(&self.local_load));
        ReplySender { replies: self.replies.clone(), waker, local_load }
    }
}

/// The worker's end of its channel of replies.
pub struct ReplyReceiver<O> {
    replies: Receiver<Message<O>>,
    waker: Arc<CoalescedWaker>,
}

/// Wakes a worker at most once until the worker has checked its channel.
pub(super) struct CoalescedWaker {
    is_woken: AtomicBool,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// Creates a channel of replies. `wake` is called on the bridge's thread when the first reply is sent since
/// the worker last checked.
pub fn reply_channel<O>(wake: Arc<dyn Fn() + Send + Sync>) -> (ReplySender<O>, ReplyReceiver<O>) {
    let (sender, replies) = unbounded();
    let waker = Arc::new(CoalescedWaker { is_woken: AtomicBool::new(false), wake });
    let sender =
        ReplySender { replies: sender, waker: Arc::clone(&waker), local_load: Arc::default() };
    (sender, ReplyReceiver { replies, waker })
}

impl CoalescedWaker {
    pub(super) fn wake(&self) {
        if !self.is_woken.swap(true, AcqRel) {
            (self.wake)();
        }
    }
}

impl<O> ReplySender<O> {
    pub(super) fn waker(&self) -> &Arc<CoalescedWaker> {
        &self.waker
    }

    /// Returns the load, which the worker sets.
    pub fn local_load(&self) -> &Arc<LocalLoad> {
        &self.local_load
    }

    /// Sends a reply, and wakes the worker if nobody has since it last checked.
    pub fn send(&self, reply: Reply<O>) {
        self.send_with(reply, None);
    }

    /// Sends a reply whose results have a memory permit.
    pub(super) fn send_with(&self, reply: Reply<O>, permit: Option<Arc<MemoryPermit>>) {
        // A worker that has ended needs no reply.
        if self.replies.send((reply, permit)).is_ok() {
            self.waker.wake();
        }
    }
}

impl<O> ReplyReceiver<O> {
    /// Allows the next wake-up. Call this before emptying the channel, never after. It is a swap and not a
    /// store: a store might not be visible to the next sender yet while the channel reads as empty. The
    /// sender would then see the old flag, and nobody would wake the worker.
    pub fn rearm(&self) {
        self.waker.is_woken.swap(false, AcqRel);
    }

    /// Returns the next reply, if there is one.
    pub fn try_recv(&self) -> Option<Reply<O>> {
        self.replies.try_recv().ok().map(|(reply, _)| reply)
    }
}
