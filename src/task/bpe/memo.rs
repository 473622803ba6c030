//! The tokens of short pieces, remembered.

/// Bytes of a piece that is remembered, and of its tokens' text.
const PIECE: usize = 15;
const TEXT: usize = 31;

/// Pieces that are remembered. Few, and they push each other out; many, and the memo itself is
/// pushed out of the second level of the cache.
const PLACES: usize = 4_096;

/// A piece and its tokens' text.
#[derive(Clone, Copy)]
struct Entry {
    /// The piece's bytes, and in the last byte its length plus one: no piece is zero.
    piece: [u8; PIECE + 1],
    text: [u8; TEXT],
    length: u8,
}

/// Each piece has one place, and the last one that came is in it.
pub(super) struct Memo(Box<[Entry]>);

impl Memo {
    pub(super) fn new() -> Self {
        let empty = Entry { piece: [0; PIECE + 1], text: [0; TEXT], length: 0 };
        Memo(vec![empty; PLACES].into_boxed_slice())
    }

    /// Appends what `make` appends for this piece.
    #[inline]
    pub(super) fn append(
        &mut self,
        piece: &str,
        out: &mut Vec<u8>,
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        let bytes = piece.as_bytes();
        if bytes.len() > PIECE {
            return make(out);
        }
        let mut key = [0; PIECE + 1];
        key[..bytes.len()].copy_from_slice(bytes);
        key[PIECE] = bytes.len() as u8 + 1;
        let entry = &mut self.0[place(u128::from_le_bytes(key))];
        if entry.piece == key {
            out.extend_from_slice(&entry.text[..usize::from(entry.length)]);
            return;
        }
        let began = out.len();
        make(out);
        let made = &out[began..];
        if made.len() <= TEXT {
            entry.piece = key;
            entry.text[..made.len()].copy_from_slice(made);
            entry.length = made.len() as u8;
        }
    }
}

fn place(key: u128) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (low, high) = (key as u64, (key >> 64) as u64);
    let mixed = (low.wrapping_mul(ODD) ^ high).wrapping_mul(ODD);
    (mixed >> 52) as usize % PLACES
}
