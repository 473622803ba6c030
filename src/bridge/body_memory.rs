//! How many bytes of request and answer bodies are in memory.
//!
//! Every body has a [`MemoryPermit`] for its bytes. A request goes only while there is room for the largest request and the
//! largest answer, and takes a permit for itself and for the answer that is expected of it. An answer that is longer
//! takes more while it is read. If there is no more, it fails: to wait would be to hold what others wait for. Its
//! length is learned, so that fewer requests go from then on. The permit of an answer is given back when its worker
//! has taken the results.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The bytes of all bodies of a bridge. The clones are one.
#[derive(Clone, Debug)]
pub(super) struct BodyMemory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    freed: Notify,
}

/// A permit for the bytes of a body, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    memory: BodyMemory,
    bytes: usize,
}

impl BodyMemory {
    /// At most `most` bytes.
    pub(super) fn new(limit: usize) -> Self {
        BodyMemory(Arc::new(Inner { limit, used: AtomicUsize::new(0), freed: Notify::new() }))
    }

    /// Bytes that all bodies may have.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether `bytes` more would be within the bound.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.0.used.load(Acquire) + bytes <= self.0.limit
    }

    /// Comes back when bytes are given back after this call.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.0.freed.notified()
    }

    /// A permit for no bytes yet.
    pub(super) fn permit(&self) -> MemoryPermit {
        MemoryPermit { memory: self.clone(), bytes: 0 }
    }
}

impl MemoryPermit {
    /// Takes `bytes` more, if they are within the bound.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let Inner { limit, used, .. } = &*self.memory.0;
        let more = |used: usize| used.checked_add(bytes).filter(|used| used <= limit);
        let is_grown = used.fetch_update(AcqRel, Acquire, more).is_ok();
        self.bytes += if is_grown { bytes } else { 0 };
        is_grown
    }

    /// Gives back what is beyond `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        if less > 0 {
            self.memory.0.used.fetch_sub(less, AcqRel);
            self.memory.0.freed.notify_waiters();
        }
    }

    /// Bytes that it is for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Both in one.
    pub(super) fn merge(mut self, mut other: MemoryPermit) -> MemoryPermit {
        self.bytes += std::mem::take(&mut other.bytes);
        self
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_bytes_are_permitted_than_there_may_be() {
        let memory = BodyMemory::new(100);
        let (mut one, mut other) = (memory.permit(), memory.permit());
        assert!(one.grow(60) && !other.grow(41) && other.grow(40));
        assert!(!memory.has_room(1) && !one.grow(1));
        one.shrink(10);
        assert!(memory.has_room(50) && !memory.has_room(51));
        let one = one.merge(other);
        assert_eq!((one.bytes(), memory.has_room(50)), (50, true));
        drop(one);
        assert!(memory.has_room(100) && !memory.has_room(101));
    }
}
