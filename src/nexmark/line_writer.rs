//! Writes a line into a buffer that is long enough.

use super::text::{BLOCK, Slice};

/// A line that is being written. Text is copied with the bytes that follow it, up to a fixed length, and the next text
/// overwrites these bytes. So the length of a copy is constant.
pub(super) struct LineWriter<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> LineWriter<'b> {
    /// Starts an empty line in `buffer`, which is as long as [`super::event_sampler::longest_line`].
    #[inline]
    pub(super) fn new(buffer: &'b mut [u8]) -> Self {
        LineWriter { buffer, len: 0 }
    }

    /// Returns the length of the line.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends the first `len` bytes of `text`, and copies all of it.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, text: &[u8; N], len: usize) {
        self.buffer[self.len..][..N].copy_from_slice(text);
        self.len += len;
    }

    /// Appends `text`, whose length the compiler knows.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        self.put(text, N);
    }

    /// Appends a short text.
    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        self.buffer[self.len..][..text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }

    /// Appends a slice of a text, block by block.
    #[inline(always)]
    pub(super) fn slice(&mut self, slice: Slice<'_>) {
        let to = &mut self.buffer[self.len..][..slice.padded.len()];
        for (to, from) in to.chunks_exact_mut(BLOCK).zip(slice.padded.chunks_exact(BLOCK)) {
            to.copy_from_slice(from);
        }
        self.len += slice.len;
    }

    /// Appends a number in decimal.
    #[inline(always)]
    pub(super) fn number(&mut self, number: u64) {
        if number < EIGHT_DIGITS {
            let (digits, len) = short_number(number);
            self.put(&digits.to_le_bytes(), len);
        } else {
            self.long_number(number);
        }
    }

    #[inline(never)]
    fn long_number(&mut self, number: u64) {
        let (upper, lower) = (number / EIGHT_DIGITS, number % EIGHT_DIGITS);
        if upper < EIGHT_DIGITS {
            self.number(upper)
        } else {
            self.long_number(upper)
        }
        self.literal(&(digits(lower) | ZEROS).to_le_bytes());
    }

    /// Appends a number below 10,000 in four digits.
    #[inline]
    pub(super) fn four_digits(&mut self, number: u64) {
        self.literal(&(((digits(number) | ZEROS) >> 32) as u32).to_le_bytes());
    }
}

const EIGHT_DIGITS: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Returns the text of a number below 10⁸, in little-endian order, and its length.
#[inline(always)]
pub(super) fn short_number(number: u64) -> (u64, usize) {
    let digits = digits(number);
    // The first digit is in the lowest byte. Leading zeros are shifted out, but never the last digit.
    let zeros = (digits | 1 << 56).trailing_zeros() & !7;
    ((digits | ZEROS) >> zeros, 8 - zeros as usize / 8)
}

/// Returns the eight decimal digits of a number below 10⁸, one per byte, the first one in the lowest byte.
///
/// The number is halved three times, in parallel inside one word: into 4 + 4 digits, then 2 + 2 + 2 + 2, then single
/// digits. A division by 100 or by 10 is a multiplication and a shift, which is exact for such small numbers (after Paul
/// Khuong, "How to print integers really fast", 2017).
#[inline]
fn digits(number: u64) -> u64 {
    let fours = (number / 10_000) | (number % 10_000) << 32;
    let upper = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = upper | (fours - upper * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

/// The text of a timestamp, which is kept while the timestamp does not change. At a million events per second, a thousand
/// events have the same one.
pub(super) struct Stamp {
    time: u64,
    text: [u8; 24],
    len: usize,
}

impl Stamp {
    /// Creates the text of time 0.
    pub(super) fn new() -> Stamp {
        let mut stamp = Stamp { time: 0, text: [0; 24], len: 0 };
        stamp.render(0);
        stamp
    }

    /// Appends `time` in decimal to `line`.
    #[inline(always)]
    pub(super) fn write(&mut self, line: &mut LineWriter<'_>, time: u64) {
        if time != self.time {
            self.render(time);
        }
        line.put(&self.text, self.len);
    }

    #[inline(never)]
    fn render(&mut self, time: u64) {
        let mut buffer = [0; 32];
        let mut line = LineWriter::new(&mut buffer);
        line.number(time);
        self.len = line.len();
        self.time = time;
        self.text.copy_from_slice(&buffer[..24]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut LineWriter<'_>)) -> String {
        let mut buffer = [b'x'; 64];
        let mut line = LineWriter::new(&mut buffer);
        write(&mut line);
        let len = line.len();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn all_powers_of_ten_are_written() {
        for power in 0..20 {
            for number in [10u64.pow(power) - 1, 10u64.pow(power)] {
                assert_eq!(written(|line| line.number(number)), number.to_string());
            }
        }
        assert_eq!(written(|line| line.number(u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|line| line.four_digits(42)), "0042");
    }

    proptest! {
        #[test]
        fn numbers_are_written(number in any::<u64>(), shift in 0..64) {
            let number = number >> shift;
            prop_assert_eq!(written(|line| line.number(number)), number.to_string());
        }

        #[test]
        fn stamps_are_written(times in proptest::collection::vec(0u64..3, 1..9), base: u32) {
            let mut stamp = Stamp::new();
            for time in times {
                let time = u64::from(base) * 1_000 + time;
                let mut buffer = [b'x'; 64];
                let mut line = LineWriter::new(&mut buffer);
                stamp.write(&mut line, time);
                let len = line.len();
                prop_assert_eq!(str::from_utf8(&buffer[..len]).unwrap(), time.to_string());
            }
        }
    }
}
