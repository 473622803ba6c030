//! Limits the bytes of request and response bodies in memory.
//!
//! Every body has a [`MemoryPermit`] for its bytes. A request is sent only while there is room for the
//! largest request and the largest response. It takes a permit for its body and for the expected size of its
//! response. A longer response adds to the permit while it is read. If there is no room left, the attempt
//! fails: waiting would hold memory that others wait for. The size of the response is learned, so that fewer
//! requests are sent from then on. The permit of a response is released when the worker has taken the
//! results.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};

/// Limit on the bytes of all bodies of a bridge. Clones share one count.
#[derive(Clone, Debug)]
pub(super) struct BodyMemory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    freed: Notify,
}

/// Permit for the bytes of a body. Dropping it releases the bytes.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    memory: BodyMemory,
    bytes: usize,
}

impl BodyMemory {
    /// Creates a limit of `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        BodyMemory(Arc::new(Inner { limit, used: AtomicUsize::new(0), freed: Notify::new() }))
    }

    /// Returns the limit in bytes.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns whether `bytes` more fit.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.0.used.load(Acquire) + bytes <= self.0.limit
    }

    /// Completes when bytes are released after this call.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.0.freed.notified()
    }

    /// Returns a permit for no bytes.
    pub(super) fn permit(&self) -> MemoryPermit {
        MemoryPermit { memory: self.clone(), bytes: 0 }
    }
}

impl MemoryPermit {
    /// Adds `bytes` to the permit if they fit. Returns whether they do.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let Inner { limit, used, .. } = &*self.memory.0;
        let more = |used: usize| used.checked_add(bytes).filter(|used| used <= limit);
        let is_grown = used.fetch_update(AcqRel, Acquire, more).is_ok();
        self.bytes += if is_grown { bytes } else { 0 };
        is_grown
    }

    /// Releases the bytes beyond `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        if less > 0 {
            self.memory.0.used.fetch_sub(less, AcqRel);
            self.memory.0.freed.notify_waiters();
        }
    }

    /// Returns the bytes that the permit covers.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Merges two permits.
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
    fn permits_never_exceed_the_limit() {
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
