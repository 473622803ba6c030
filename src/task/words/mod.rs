//! `words`: text split into words.
//!
//! A word is a maximal run of characters that are the underscore, or whose general category is a letter, a
//! mark or a number. Case is kept. The table of these characters is `functions/words.ranges`, of a pinned
//! version of Unicode. Rust, Python and Java all read it: their own tables have different versions, so
//! results would depend on where they were computed.
//!
//! Most text is ASCII. It is processed in blocks, with all separators of a block found at once. There are
//! three implementations, chosen at run time: with AVX-512, which removes bytes from a block in one
//! instruction; with AVX2; and for any machine (the last two use `blocks`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod portable;

use std::ops::Range;
use std::sync::LazyLock;

use super::text::Tokenize;
use crate::batch::Strings;

/// The task `words`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words;

/// The committed table of ranges.
pub const RANGES: &str = include_str!("../../../functions/words.ranges");

/// A bit for each code point: whether it belongs to a word.
static TABLE: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let mut table = vec![0_u64; (char::MAX as usize + 1).div_ceil(64)].into_boxed_slice();
    for (first, last) in ranges(RANGES) {
        for code in first..=last {
            table[code as usize / 64] |= 1 << (code % 64);
        }
    }
    table
});

/// Returns the ranges of a table: one per line, two code points in hexadecimal with a dash between them.
/// Lines that begin with `#` are comments.
pub fn ranges(table: &str) -> impl Iterator<Item = (u32, u32)> + '_ {
    let code = |text| u32::from_str_radix(text, 16).ok();
    table.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let (first, last) = line.split_once('-')?;
        Some((code(first)?, code(last)?))
    })
}

/// Appends the words of each string of `range` to `out`, and the ends of the strings to `ends`.
fn all_words(strings: &Strings, range: Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    #[cfg(target_arch = "x86_64")]
    if avx512::all_words(strings, &range, out, ends) || avx2::all_words(strings, &range, out, ends)
    {
        return;
    }
    all_words_portable(strings, range, out, ends);
}

/// The implementation for any machine, for benchmarks and tests.
#[doc(hidden)]
pub fn all_words_portable(
    strings: &Strings,
    range: Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) {
    write_words(blocks::with(portable::classify), strings, &range, out, ends);
}

/// Splits an ASCII text: the bytes `text` of `bytes`. The words are written to `out` from `at` on, where
/// there must be room for the text and [`SLACK`] more. Returns where they end, or None if the text is not
/// ASCII.
trait Ascii: Fn(&[u8], Range<usize>, &mut [u8], usize) -> Option<usize> {}
impl<F: Fn(&[u8], Range<usize>, &mut [u8], usize) -> Option<usize>> Ascii for F {}

/// Bytes that may be written past the end of the words, because blocks are written whole. Words are never
/// longer than their text.
const SLACK: usize = 64;

/// Bytes by which the output is extended at a time. They are zeroed, and are still in the first level of the
/// cache when they are written.
const ROOM: usize = 8 * 1024;

#[inline(always)]
fn write_words(
    ascii: impl Ascii,
    strings: &Strings,
    range: &Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) {
    out.reserve(strings.range_of(range).len() + ROOM + SLACK);
    ends.reserve(range.len());
    let bytes = strings.bytes();
    let mut at = out.len();
    for index in range.clone() {
        let text = strings.range(index);
        let room = at + text.len() + SLACK;
        if out.len() < room {
            out.resize(room + ROOM, 0);
        }
        match ascii(bytes, text, out, at) {
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

/// Splits any text, by the table.
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
    const FACTOR: usize = 1;

    fn wire_name(&self) -> &'static str {
        "words"
    }

    fn tokenize(&self, input: &Strings, range: Range<usize>, out: &mut Strings) {
        let (bytes, ends) = out.parts_mut();
        all_words(input, range, bytes, ends);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// Splits a text character by character, as in the definition.
    fn by_definition(text: &str) -> String {
        static TABLE: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| ranges(RANGES).collect());
        let is_word = |c: char| {
            let after = TABLE.partition_point(|&(first, _)| first <= c as u32);
            after > 0 && c as u32 <= TABLE[after - 1].1
        };
        text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Printable ASCII, any characters, or any ASCII. (Regular expressions take minutes in Miri.)
    fn text() -> impl Strategy<Value = String> {
        let text = |of: BoxedStrategy<char>, most| prop::collection::vec(of, 0..=most);
        let ascii = |of: std::ops::RangeInclusive<u8>| of.prop_map(char::from).boxed();
        prop_oneof![
            text(ascii(b' '..=b'~'), 150),
            text(any::<char>().boxed(), 60),
            text(ascii(0..=127), 70),
        ]
        .prop_map(String::from_iter)
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
        let all = 0..strings.len();
        let paths: &[&dyn Fn(&mut Vec<u8>, &mut Vec<u32>) -> bool] = &[
            #[cfg(target_arch = "x86_64")]
            &|out, ends| avx512::all_words(&strings, &all, out, ends),
            #[cfg(target_arch = "x86_64")]
            &|out, ends| avx2::all_words(&strings, &all, out, ends),
            &|out, ends| {
                all_words_portable(&strings, all.clone(), out, ends);
                true
            },
        ];
        for path in paths {
            let mut out = Strings::default();
            let (bytes, ends) = out.parts_mut();
            // A processor may lack an implementation.
            if path(bytes, ends) {
                assert_eq!(out, expected);
            }
        }
    }

    #[test]
    fn words_at_the_ends_of_blocks_are_split_like_others() {
        // Miri is slow: it gets a quarter of the bytes.
        let text = "ab  c,_9--Z ".repeat(if cfg!(miri) { 6 } else { 12 });
        check(&(0..text.len()).map(|len| text[..len].to_owned()).collect::<Vec<_>>());
        check(&(0..text.len()).map(|from| text[from..].to_owned()).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_path_follows_the_definition(
            texts in prop::collection::vec(text(), 0..6),
        ) {
            check(&texts);
        }
    }
}
