//! Splits ASCII text in blocks of 32 bytes.
//!
//! Most separators are single. So a block is classified, its separators are replaced by spaces, and it is
//! written as it is. Where two separators are adjacent, the bytes after them are written again one byte to
//! the left.

use std::ops::Range;

use super::Ascii;

pub(super) const BLOCK: usize = 32;

/// A classified block of text.
pub(super) struct Block {
    /// The text, with a space for each separator.
    pub blended: [u8; BLOCK],
    /// A bit for each byte: whether it is a separator, if all bytes are ASCII.
    pub separators: u32,
    /// A bit for each byte: whether it is not ASCII.
    pub high: u32,
}

/// Splits text with blocks that `classify` classifies.
#[inline(always)]
pub(super) fn with(classify: impl Fn(&[u8; BLOCK]) -> Block) -> impl Ascii {
    move |bytes: &[u8], text, out: &mut [u8], at| ascii_words(&classify, bytes, text, out, at)
}

#[inline(always)]
fn ascii_words(
    classify: impl Fn(&[u8; BLOCK]) -> Block,
    bytes: &[u8],
    text: Range<usize>,
    out: &mut [u8],
    at: usize,
) -> Option<usize> {
    let mut to = at;
    // The start of the text counts as a separator, so that no separator is written before the first word.
    let mut after_separator = 1;
    for from in text.clone().step_by(BLOCK) {
        let len = (text.end - from).min(BLOCK);
        let Block { blended, separators, high } = match bytes[from..].first_chunk() {
            // Bytes past the end of the text are classified too, and not used.
            Some(block) => classify(block),
            None => {
                let mut last = [b' '; BLOCK];
                last[..len].copy_from_slice(&bytes[from..from + len]);
                classify(&last)
            }
        };
        let within = u32::MAX >> (BLOCK - len);
        if high & within != 0 {
            return None;
        }
        let doubled = separators & (separators << 1 | after_separator) & within;
        after_separator = separators >> (len - 1) & 1;
        *out[to..].first_chunk_mut()? = blended;
        to += len;
        if doubled != 0 {
            to -= close_gaps(&blended, doubled, &mut out[to - len..]);
        }
    }
    Some(if to > at && out[to - 1] == b' ' { to - 1 } else { to })
}

/// Removes the `doubled` bytes of a block that was written to `out`. Returns how many were removed.
#[inline(always)]
fn close_gaps(blended: &[u8; BLOCK], doubled: u32, out: &mut [u8]) -> usize {
    let mut wide = [0; 2 * BLOCK];
    wide[..BLOCK].copy_from_slice(blended);
    let mut left = doubled;
    let mut closed = 0;
    while left != 0 {
        let gap = left.trailing_zeros() as usize;
        let rest: &[u8; BLOCK] = wide[gap + 1..].first_chunk().unwrap_or(blended);
        out[gap - closed..gap - closed + BLOCK].copy_from_slice(rest);
        closed += 1;
        left &= left - 1;
    }
    closed
}
