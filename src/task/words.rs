//! `words`: text split into words.
//!
//! A word is a maximal run of characters whose general category is a letter, a mark or a number, or
//! that are the underscore; case is kept. Which characters those are stands in one table of ranges,
//! `functions/words.ranges`, of a pinned version of Unicode, that Rust, Python and Java all read:
//! their own tables are of different versions, and results would depend on where they were made.
//!
//! Most text is ASCII, and most of its separators stand alone. So blocks of 32 bytes are classified
//! with separators blended to spaces, which the compiler turns into vector instructions, and are
//! copied as they are unless two separators meet in them. The same code is compiled twice, for any
//! machine and for AVX2, and chosen when it runs.

use std::ops::Range;
use std::sync::LazyLock;

use super::{Code, Task, text};
use crate::batch::{Batch, Strings};
use crate::wire::Slots;

/// The task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words;

/// The table of ranges, as it is committed.
pub const RANGES: &str = include_str!("../../functions/words.ranges");

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

/// Appends the words of `text` to `out`, with single spaces between them.
pub fn words(text: &str, out: &mut Vec<u8>) {
    let one = Strings::from_iter([text]);
    let mut ends = Vec::new();
    all_words(&one, 0..1, out, &mut ends);
}

fn all_words(strings: &Strings, range: Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just found. It is worth 1.5 times the speed
        // (`cargo bench --bench tokenize`).
        #[allow(unsafe_code)]
        return unsafe { all_words_avx2(strings, range, out, ends) };
    }
    all_words_portable(strings, range, out, ends);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn all_words_avx2(strings: &Strings, range: Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    all_words_portable(strings, range, out, ends);
}

/// The path for any machine, also where a faster one is there: for benchmarks and tests.
#[inline(always)]
#[doc(hidden)]
pub fn all_words_portable(
    strings: &Strings,
    range: Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) {
    out.reserve(strings.range_of(&range).len() + BLOCK);
    ends.reserve(range.len());
    for index in range {
        let text = strings.get(index);
        let began = out.len();
        if !ascii_words(text, out) {
            out.truncate(began);
            any_words(strings.text(index), out);
        }
        if out.len() > began && out.last() == Some(&b' ') {
            out.pop();
        }
        ends.push(out.len() as u32);
    }
}

const BLOCK: usize = 32;

/// Appends the words of ASCII text, maybe with a space behind the last; false if it is not ASCII.
#[inline(always)]
fn ascii_words(text: &[u8], out: &mut Vec<u8>) -> bool {
    // The record's beginning counts as a separator, so that none is written before the first word.
    let mut after_separator = u8::MAX;
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for block in blocks {
        if !ascii_block(block, BLOCK, &mut after_separator, out) {
            return false;
        }
    }
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    ascii_block(&last, rest.len(), &mut after_separator, out)
}

#[inline(always)]
fn ascii_block(
    block: &[u8; BLOCK],
    len: usize,
    after_separator: &mut u8,
    out: &mut Vec<u8>,
) -> bool {
    let mut blended = [0; BLOCK];
    // 255 for a separator; the first is of the byte before the block.
    let mut separators = [0; BLOCK + 1];
    separators[0] = *after_separator;
    let mut high = 0;
    for index in 0..BLOCK {
        let byte = block[index];
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        let is_word = letter | digit | (byte == b'_');
        separators[index + 1] = if is_word { 0 } else { u8::MAX };
        blended[index] = if is_word { byte } else { b' ' };
        high |= byte;
    }
    if high >= 0x80 {
        return false;
    }
    let mut doubled = 0;
    for index in 0..BLOCK {
        doubled |= separators[index] & separators[index + 1];
    }
    *after_separator = separators[len];
    if doubled == 0 && len == BLOCK {
        out.extend_from_slice(&blended);
        return true;
    }
    let mut kept = [0; BLOCK];
    let mut count = 0;
    for index in 0..len {
        kept[count] = blended[index];
        count += usize::from(separators[index] & separators[index + 1] == 0);
    }
    out.extend_from_slice(&kept[..count]);
    true
}

/// The same for any text, by the table.
fn any_words(text: &str, out: &mut Vec<u8>) {
    let table = &*TABLE;
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
}

impl Task for Words {
    type In = Batch;
    type Out = Batch;
    type Answers = Strings;

    fn name(&self) -> &str {
        "words"
    }

    fn results(&self, input: &Batch, range: &Range<usize>) -> Batch {
        input.for_results(range)
    }

    fn compute(
        &self,
        input: &Batch,
        range: Range<usize>,
        out: &mut Batch,
        _: &mut Vec<(usize, Code)>,
    ) {
        out.numbers.extend_from(out.len(), &input.numbers, range.clone());
        let (bytes, ends) = out.strings.parts_mut();
        all_words(&input.strings, range, bytes, ends);
    }

    fn answered(&self, answers: &Strings) -> usize {
        answers.len()
    }

    fn assemble(
        &self,
        input: &Batch,
        range: Range<usize>,
        answers: &mut Strings,
        slots: &Slots<'_>,
        out: &mut Batch,
    ) {
        text::assemble(input, range, answers, slots, out);
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
