//! `words`: text split into words.
//!
//! A word is a maximal run of characters whose general category is a letter, a mark or a number, or
//! that are the underscore; case is kept. Which characters those are stands in one table of ranges,
//! `functions/words.ranges`, of a pinned version of Unicode, that Rust, Python and Java all read:
//! their own tables are of different versions, and results would depend on where they were made.
//!
//! Most text is ASCII, and most of its separators stand alone. So text is classified in blocks of 32
//! bytes ([`Block`]): its separators blended to spaces, and a bit for each. A block is written as it
//! is; where two separators meet in it, what follows is written again one byte to the left. There
//! is one way to classify a block for any machine and one for AVX2, chosen when it runs.

mod avx2;
mod portable;

use std::ops::Range;
use std::sync::LazyLock;

use super::text::Tokenize;
use crate::batch::Strings;

/// The task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words;

/// The table of ranges, as it is committed.
pub const RANGES: &str = include_str!("../../../functions/words.ranges");

/// One bit a code point: whether it is of a word.
static TABLE: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let mut table = vec![0_u64; (char::MAX as usize + 1).div_ceil(64)].into_boxed_slice();
    for (first, last) in ranges(RANGES) {
        for code in first..=last {
            table[code as usize / 64] |= 1 << (code % 64);
        }
    }
    table
});

/// The ranges of a table: a line each, two code points in hexadecimal with a dash between them;
/// lines that begin with `#` are comments.
pub fn ranges(table: &str) -> impl Iterator<Item = (u32, u32)> + '_ {
    let code = |text| u32::from_str_radix(text, 16).ok();
    table.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let (first, last) = line.split_once('-')?;
        Some((code(first)?, code(last)?))
    })
}

/// Appends the words of each string of `range` to `out`, and where they end to `ends`.
fn all_words(strings: &Strings, range: Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    if !avx2::all_words(strings, &range, out, ends) {
        all_words_portable(strings, range, out, ends);
    }
}

/// The path for any machine, also where a faster one is there: for benchmarks and tests.
#[doc(hidden)]
pub fn all_words_portable(
    strings: &Strings,
    range: Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) {
    write_words(portable::classify, strings, &range, out, ends);
}

const BLOCK: usize = 32;

/// A block of text, classified.
struct Block {
    /// The text, with a space for each separator.
    blended: [u8; BLOCK],
    /// A bit for each byte: whether it is a separator, if all is ASCII.
    separators: u32,
    /// A bit for each byte: whether it is not ASCII.
    high: u32,
}

/// Room that is made at a time. What is made is zeroed, and is still in the first level of the
/// cache when it is written.
const ROOM: usize = 8 * 1024;

#[inline(always)]
fn write_words(
    classify: impl Fn(&[u8; BLOCK]) -> Block,
    strings: &Strings,
    range: &Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) {
    out.reserve(strings.range_of(range).len() + ROOM + 2 * BLOCK);
    ends.reserve(range.len());
    let bytes = strings.bytes();
    let mut at = out.len();
    for index in range.clone() {
        let text = strings.range(index);
        // Words are never longer than their text; a block is written whole, and again shifted.
        let room = at + text.len() + 2 * BLOCK;
        if out.len() < room {
            out.resize(room + ROOM, 0);
        }
        match ascii_words(&classify, bytes, text, out, at) {
            Some(end) => at = end,
            None => {
                out.truncate(at);
                any_words(strings.text(index), out);
                at = out.len();
            }
        }
        ends.push(at as u32);
    }
    out.truncate(at);
}

/// Writes the words of the ASCII text at `text` in `bytes` to `out` from `at` on; answers where
/// they end, or none if it is not ASCII.
#[inline(always)]
fn ascii_words(
    classify: impl Fn(&[u8; BLOCK]) -> Block,
    bytes: &[u8],
    text: Range<usize>,
    out: &mut [u8],
    at: usize,
) -> Option<usize> {
    let mut to = at;
    // The text's beginning counts as a separator, so that none is written before the first word.
    let mut after_separator = 1;
    for from in text.clone().step_by(BLOCK) {
        let len = (text.end - from).min(BLOCK);
        let Block { blended, separators, high } = match bytes[from..].first_chunk() {
            // What is behind the text's end is classified too, and not used.
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

/// Leaves the `doubled` bytes of a block that was written to `out` out; answers how many.
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

/// The same for any text, by the table.
fn any_words(text: &str, out: &mut Vec<u8>) {
    let table = &*TABLE;
    let began = out.len();
    let mut after_separator = true;
    let mut bytes = [0; 4];
    for character in text.chars() {
        let code = character as usize;
        if table[code / 64] >> (code % 64) & 1 == 1 {
            out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            after_separator = false;
        } else if !after_separator {
            out.push(b' ');
            after_separator = true;
        }
    }
    if after_separator && out.len() > began {
        out.pop();
    }
}

impl Tokenize for Words {
    const NAME: &str = "words";
    const FACTOR: usize = 1;

    fn tokenize(&self, input: &Strings, range: Range<usize>, out: &mut Strings) {
        let (bytes, ends) = out.parts_mut();
        all_words(input, range, bytes, ends);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Character by character, as the definition says.
    fn by_definition(text: &str) -> String {
        let table: Vec<(u32, u32)> = ranges(RANGES).collect();
        let is_word = |c: char| table.iter().any(|&(a, b)| (a..=b).contains(&(c as u32)));
        text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn check(texts: &[String]) {
        let strings: Strings = texts.iter().map(String::as_str).collect();
        let expected: Strings = texts.iter().map(|text| by_definition(text)).fold(
            Strings::default(),
            |mut all, text| {
                all.push(&text);
                all
            },
        );
        for path in [all_words, all_words_portable] {
            let mut out = Strings::default();
            let (bytes, ends) = out.parts_mut();
            path(&strings, 0..strings.len(), bytes, ends);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn the_ends_of_blocks_are_no_different() {
        let text = "ab  c,_9--Z ".repeat(12);
        check(&(0..text.len()).map(|len| text[..len].to_owned()).collect::<Vec<_>>());
        check(&(0..text.len()).map(|from| text[from..].to_owned()).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_path_follows_the_definition(
            texts in prop::collection::vec("([ -~]{0,150}|\\PC{0,60}|[\\x00-\\x7f]{0,70})", 0..6),
        ) {
            check(&texts);
        }
    }
}
