//! A body that comes in pieces.

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};

/// The pieces of a body, put together. One that comes in a single piece is not copied.
#[derive(Default)]
pub(super) struct BodyBuffer {
    /// How long the body is to be, if its sender said.
    expected: usize,
    first: Bytes,
    all: BytesMut,
}

impl BodyBuffer {
    /// For this body, of which no more than `most` bytes are kept.
    pub(super) fn of(body: &Incoming, most: usize) -> BodyBuffer {
        let expected = body.size_hint().exact().unwrap_or(0);
        BodyBuffer { expected: most.min(expected as usize), ..BodyBuffer::default() }
    }

    /// The next piece.
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

    /// The body.
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
