//! Random text, as slices of a long one.

use super::random::{Bits, Random};

/// Where a slice can begin: 64 KiB of text, so that it stays in the second level of the cache.
const PLACES: u64 = 1 << 16;

/// Text is copied in blocks of this many bytes.
pub(super) const BLOCK: usize = 32;

/// A long random text.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Vec<u8>,
}

/// A slice of a text, and what follows it up to a whole number of blocks, to be copied with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice<'t> {
    /// The slice and what follows.
    pub(super) padded: &'t [u8],
    /// The slice's own length.
    pub(super) len: usize,
}

impl<'t> Slice<'t> {
    /// The slice as text.
    pub(super) fn as_str(&self) -> &'t str {
        std::str::from_utf8(&self.padded[..self.len]).expect("the texts are ASCII")
    }
}

impl Text {
    /// Letters a–z, for slices of up to `longest` bytes.
    pub(super) fn letters(random: Random, longest: usize) -> Text {
        Text::new(random, longest, |random| letter(random.bits()))
    }

    /// Letters a–z and, with probability 1/13, `special`: what the reference makes names of.
    pub(super) fn words(random: Random, longest: usize, special: u8) -> Text {
        Text::new(random, longest, |random| word_byte(random, special))
    }

    fn new(mut random: Random, longest: usize, byte: impl Fn(&mut Random) -> u8) -> Text {
        let len = PLACES as usize + padded(longest);
        Text { bytes: (0..len).map(|_| byte(&mut random)).collect() }
    }

    /// A slice of `len` bytes, from anywhere. Takes 16 bits.
    #[inline]
    pub(super) fn slice(&self, bits: &mut Bits, len: usize) -> Slice<'_> {
        let start = bits.below(PLACES) as usize;
        Slice { padded: &self.bytes[start..start + padded(len)], len }
    }

    /// A slice of `len` bytes, which come with so many that `longest` bytes would have been as
    /// dear: where the length varies, a copy without a branch on it is faster. Takes 16 bits.
    #[inline]
    pub(super) fn slice_of(&self, bits: &mut Bits, len: usize, longest: usize) -> Slice<'_> {
        let start = bits.below(PLACES) as usize;
        Slice { padded: &self.bytes[start..start + padded(longest)], len }
    }

    /// The reference's `nextString`: 3 to `max` − 1 bytes, without spaces around. Takes 16 bits
    /// and those of the length.
    pub(super) fn string(&self, bits: &mut Bits, max: usize) -> Slice<'_> {
        let len = MIN_LEN + bits.below((max - MIN_LEN) as u64) as usize;
        let start = bits.below(PLACES) as usize;
        let bytes = &self.bytes[start..start + len];
        let leading = len - bytes.trim_ascii_start().len();
        let (start, len) = (start + leading, bytes.trim_ascii().len());
        Slice { padded: &self.bytes[start..start + padded(len)], len }
    }
}

/// The reference's `MIN_STRING_LENGTH`.
const MIN_LEN: usize = 3;

/// A string of 3 to `max` − 1 bytes made byte by byte: for what is made once.
pub(super) fn fresh_string(random: &mut Random, max: usize, special: u8) -> String {
    let len = MIN_LEN + random.bits().below((max - MIN_LEN) as u64) as usize;
    (0..len).map(|_| char::from(word_byte(random, special))).collect()
}

fn word_byte(random: &mut Random, special: u8) -> u8 {
    let mut bits = random.bits();
    if bits.below(13) == 0 { special } else { letter(bits) }
}

fn letter(mut bits: Bits) -> u8 {
    b'a' + bits.below(26) as u8
}

/// `len` rounded up to whole blocks.
pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_the_lengths_letters_and_spaces_of_the_reference() {
        let text = Text::words(Random::of_event(1, 1), 100, b' ');
        let (mut lengths, mut spaces, mut bytes) = ([0; 20], 0.0, 0.0);
        for id in 0..100_000 {
            let slice = text.string(&mut Random::of_event(2, id).bits(), 20);
            let string = slice.as_str();
            assert_eq!(string, string.trim());
            assert!(string.bytes().all(|byte| byte == b' ' || byte.is_ascii_lowercase()));
            lengths[string.len()] += 1;
            spaces += string.bytes().filter(|&byte| byte == b' ').count() as f64;
            bytes += string.len() as f64;
        }
        // Trimmed strings may be shorter than 3; very few are empty, as in the reference.
        assert!(lengths[0] < 50 && lengths[19] > 4_000 && lengths[3] > 4_000, "{lengths:?}");
        // 1/13, less what was trimmed: 2/13 of a space or so of the mean of 10.8 bytes.
        assert!((0.060..0.075).contains(&(spaces / bytes)), "{}", spaces / bytes);
    }
}
