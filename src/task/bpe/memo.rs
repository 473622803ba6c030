//! A memo of the tokens of short pieces.

/// Largest size in bytes of a remembered piece, and of the text of its tokens.
const PIECE: usize = 15;
const TEXT: usize = 31;

/// Number of remembered pieces. If it is small, they replace each other; if it is large, the memo does not
/// fit into the second level of the cache.
const PLACES: usize = 4_096;

/// A piece, and the text of its tokens.
#[derive(Clone, Copy)]
struct Entry {
    /// The piece's bytes. The last byte is its length plus one, so that no piece is all zeros.
    piece: [u8; PIECE + 1],
    text: [u8; TEXT],
    length: u8,
}

/// Remembered pieces. Each piece has one place, which holds the last piece that was stored there.
pub(super) struct Memo(Box<[Entry]>);

impl Memo {
    pub(super) fn new() -> Self {
        let empty = Entry { piece: [0; PIECE + 1], text: [0; TEXT], length: 0 };
        Memo(vec![empty; PLACES].into_boxed_slice())
    }

    /// Appends the tokens of this piece, which are those that `make` appends.
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
