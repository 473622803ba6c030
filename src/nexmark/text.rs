//! Random texts, which are slices of a long one.

use super::random::{Bits, Random};

/// The number of offsets at which a slice can begin. The text stays in the second level of the cache.
const OFFSETS: u64 = 1 << 16;

/// The number of bytes in a block. Text is copied in whole blocks.
pub(super) const BLOCK: usize = 32;

/// A long random text.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Vec<u8>,
}

/// A slice of a text, with the bytes after it that are copied too, up to a whole number of blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice<'t> {
    /// The slice and the bytes after it.
    pub(super) padded: &'t [u8],
    /// The length of the slice.
    pub(super) len: usize,
}

impl<'t> Slice<'t> {
    /// Returns the slice as text.
    pub(super) fn as_str(&self) -> &'t str {
        std::str::from_utf8(&self.padded[..self.len]).expect("the texts are ASCII")
    }
}

impl Text {
    /// Makes a text of letters a–z, for slices of up to `longest` bytes.
    pub(super) fn letters(random: Random, longest: usize) -> Text {
        Text::new(random, longest, |random| letter(random.bits()))
    }

    /// Makes a text of letters a–z and, with probability 1/13, `special`. The names of the reference consist of them.
    pub(super) fn words(random: Random, longest: usize, special: u8) -> Text {
        Text::new(random, longest, |random| word_byte(random, special))
    }

    fn new(mut random: Random, longest: usize, byte: impl Fn(&mut Random) -> u8) -> Text {
        let len = OFFSETS as usize + padded(longest);
        Text { bytes: (0..len).map(|_| byte(&mut random)).collect() }
    }

    /// Returns a slice of `len` bytes at a random offset. This takes 16 random bits.
    #[inline]
    pub(super) fn slice(&self, bits: &mut Bits, len: usize) -> Slice<'_> {
        let start = bits.below(OFFSETS) as usize;
        Slice { padded: &self.bytes[start..start + padded(len)], len }
    }

    /// Returns a slice of `len` bytes at a random offset. Copying it costs as much as copying `longest` bytes: if the length
    /// varies, a copy without a branch on the length is faster. This takes 16 random bits.
    #[inline]
    pub(super) fn slice_of(&self, bits: &mut Bits, len: usize, longest: usize) -> Slice<'_> {
        let start = bits.below(OFFSETS) as usize;
        Slice { padded: &self.bytes[start..start + padded(longest)], len }
    }

    /// Returns 3 to `max` − 1 bytes without spaces at the ends, as `nextString` of the reference. This takes 16 random bits
    /// and those of the length.
    pub(super) fn string(&self, bits: &mut Bits, max: usize) -> Slice<'_> {
        let len = MIN_LEN + bits.below((max - MIN_LEN) as u64) as usize;
        let start = bits.below(OFFSETS) as usize;
        let bytes = &self.bytes[start..start + len];
        let leading = len - bytes.trim_ascii_start().len();
        let (start, len) = (start + leading, bytes.trim_ascii().len());
        Slice { padded: &self.bytes[start..start + padded(len)], len }
    }
}

/// The `MIN_STRING_LENGTH` of the reference.
const MIN_LEN: usize = 3;

/// Makes a string of 3 to `max` − 1 bytes byte by byte. This is slow, and is used for strings that are made once.
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

/// Rounds `len` up to whole blocks.
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
