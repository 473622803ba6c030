//! Collects the body of a request or response from its frames.

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};

/// A body that is being collected. A body of a single frame is not copied.
#[derive(Default)]
pub(super) struct BodyBuffer {
    /// The length of the body, if its sender gave it.
    expected: usize,
    first: Bytes,
    all: BytesMut,
}

impl BodyBuffer {
    /// Prepares for this body, of which at most `most` bytes are kept.
    pub(super) fn of(body: &Incoming, most: usize) -> BodyBuffer {
        let expected = body.size_hint().exact().unwrap_or(0);
        BodyBuffer { expected: most.min(expected as usize), ..BodyBuffer::default() }
    }

    /// Appends a frame.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.all.is_empty() {
            if self.first.is_empty() {
                self.first = piece;
                return;
            }
            self.all.reserve(self.expected.max(self.first.len() + piece.len()));
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    /// Returns the body.
    pub(super) fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_in_order() {
        for pieces in [&[][..], &["a"], &["ab", "", "c"], &["", "a", "b", "c", "d"]] {
            let mut all = BodyBuffer::default();
            pieces.iter().for_each(|piece| all.push(Bytes::from_static(piece.as_bytes())));
            assert_eq!(all.finish(), pieces.concat());
        }
    }
}
