//! How many bytes of request and answer bodies are in memory.
//!
//! Every body has a [`Permit`] for its bytes. A request goes only while there is room for the largest request and the
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
pub(super) struct Bodies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    used: AtomicUsize,
    freed: Notify,
}

/// A permit for the bytes of a body, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    bodies: Bodies,
    bytes: usize,
}

impl Bodies {
    /// At most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Bodies(Arc::new(Inner { most, used: AtomicUsize::new(0), freed: Notify::new() }))
    }

    /// Bytes that all bodies may have.
    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// Whether `bytes` more would be within the bound.
    pub(super) fn have_room(&self, bytes: usize) -> bool {
        self.0.used.load(Acquire) + bytes <= self.0.most
    }

    /// Comes back when bytes are given back after this call.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.0.freed.notified()
    }

    /// A permit for no bytes yet.
    pub(super) fn permit(&self) -> Permit {
        Permit { bodies: self.clone(), bytes: 0 }
    }
}

impl Permit {
    /// Takes `bytes` more, if they are within the bound.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let Inner { most, used, .. } = &*self.bodies.0;
        let more = |used: usize| used.checked_add(bytes).filter(|used| used <= most);
        let is_grown = used.fetch_update(AcqRel, Acquire, more).is_ok();
        self.bytes += if is_grown { bytes } else { 0 };
        is_grown
    }

    /// Gives back what is beyond `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        if less > 0 {
            self.bodies.0.used.fetch_sub(less, AcqRel);
            self.bodies.0.freed.notify_waiters();
        }
    }

    /// Bytes that it is for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Both in one.
    pub(super) fn merge(mut self, mut other: Permit) -> Permit {
        self.bytes += std::mem::take(&mut other.bytes);
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_bytes_are_permitted_than_there_may_be() {
        let bodies = Bodies::new(100);
        let (mut one, mut other) = (bodies.permit(), bodies.permit());
        assert!(one.grow(60) && !other.grow(41) && other.grow(40));
        assert!(!bodies.have_room(1) && !one.grow(1));
        one.shrink(10);
        assert!(bodies.have_room(50) && !bodies.have_room(51));
        let one = one.merge(other);
        assert_eq!((one.bytes(), bodies.have_room(50)), (50, true));
        drop(one);
        assert!(bodies.have_room(100) && !bodies.have_room(101));
    }
}
