//! Splits bytes into lines. A line that is not text or is too long is a bad record.

use memchr::{memchr, memchr_iter, memrchr};

use crate::batch::{BATCH_BYTES, BATCH_RECORDS, Batch, Numbers, Strings, TextRecord};
use crate::source::{OVERLONG_PREFIX_BYTES, SourceBatch};
use crate::task::{Bad, Code};

/// Bytes to split, and whether all complete lines in them are known to be text.
///
/// Checking all lines at once is several times as fast as checking each of them. A line break is never a part of a
/// character, so each line of a text is a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    bytes: &'a [u8],
    is_text: bool,
}

impl<'a> Block<'a> {
    /// Creates a block of `bytes`, which begin with a line or are `inside` one.
    pub(super) fn new(bytes: &'a [u8], inside: bool) -> Self {
        let first = if inside { memchr(b'\n', bytes) } else { Some(0) };
        let whole = match (first, memrchr(b'\n', bytes)) {
            (Some(first), Some(last)) => &bytes[first..last],
            _ => &[],
        };
        Block { bytes, is_text: simdutf8::basic::from_utf8(whole).is_ok() }
    }

    /// Returns the remaining bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether no bytes remain.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the block after its first `taken` bytes.
    pub(super) fn behind(self, taken: usize) -> Self {
        Block { bytes: &self.bytes[taken..], ..self }
    }
}

/// Splits a stream of bytes, which comes in pieces, into lines. The line break (`\n` or `\r\n`) is not a part of the
/// line. A last line without a line break is a line.
#[derive(Debug)]
pub(super) struct LineSplitter {
    max_record: usize,
    /// The number of the next line.
    next: u64,
    /// The first part of a line whose end has not come, up to two bytes more than is allowed.
    partial: Vec<u8>,
    /// The length of that part, with the bytes that are not kept.
    partial_len: u64,
    /// The average length of a record in the last batch.
    record_bytes: usize,
    /// The number of bytes of the bad lines in the batch.
    bad_bytes: usize,
    /// The lines since the last call of [`LineSplitter::take`].
    batch: SourceBatch,
}

impl LineSplitter {
    pub(super) fn new(max_record: usize) -> Self {
        LineSplitter {
            max_record,
            next: 0,
            partial: Vec::new(),
            partial_len: 0,
            record_bytes: 0,
            bad_bytes: 0,
            batch: SourceBatch::default(),
        }
    }

    /// Returns the longest record, in bytes.
    pub(super) fn max_record(&self) -> usize {
        self.max_record
    }

    /// Returns the number that the next line gets.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Sets the number of the next line. The batch must be empty.
    pub(super) fn number_from(&mut self, next: u64) {
        self.next = next;
    }

    /// Returns the number of bytes of the line that has begun and not ended.
    pub(super) fn unfinished(&self) -> u64 {
        self.partial_len
    }

    /// Whether the batch should be taken before more bytes are split.
    pub(super) fn is_full(&self) -> bool {
        self.batch.batch.len() + self.batch.bad.len() >= BATCH_RECORDS || self.has_many_bytes()
    }

    fn has_many_bytes(&self) -> bool {
        self.batch.batch.strings.bytes().len() + self.bad_bytes >= BATCH_BYTES
    }

    /// Takes at most `most` lines from the front of `block`, or fewer if the batch becomes full. Returns the number of
    /// bytes that were taken. If no further line ends in the block, the rest of it is taken as the first part of a
    /// line.
    pub(super) fn feed(&mut self, block: Block<'_>, most: u64) -> usize {
        let bytes = block.bytes;
        let mut start = 0;
        let mut left = most.min(BATCH_RECORDS as u64);
        if self.partial_len > 0 {
            let Some(end) = memchr(b'\n', bytes) else {
                self.keep(bytes);
                return bytes.len();
            };
            self.keep(&bytes[..end]);
            self.end_partial();
            start = end + 1;
            left -= 1;
        }
        if left == 0 || self.is_full() {
            return start;
        }
        self.make_room();
        match self.whole_lines(&bytes[start..], block.is_text, left) {
            (taken, true) => start + taken,
            (taken, false) => {
                self.keep(&bytes[start + taken..]);
                bytes.len()
            }
        }
    }

    /// Takes complete lines. Returns the number of their bytes, and whether there may be more of them.
    fn whole_lines(&mut self, bytes: &[u8], is_text: bool, most: u64) -> (usize, bool) {
        let mut left = most.min((BATCH_RECORDS - self.batch.batch.len()) as u64);
        let mut start = 0;
        let mut run = Run { number: self.next, first: self.batch.batch.len() };
        for end in memchr_iter(b'\n', bytes) {
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            start = end + 1;
            match self.check(line, is_text) {
                None => {
                    let (text, ends) = self.batch.batch.strings.parts_mut();
                    text.extend_from_slice(line);
                    ends.push(text.len() as u32);
                }
                Some(code) => {
                    let number = run.number + (self.batch.batch.len() - run.first) as u64;
                    run.end(&mut self.batch.batch);
                    self.bad(line, code, number);
                    run = Run { number: number + 1, first: self.batch.batch.len() };
                }
            }
            left -= 1;
            if left == 0 || self.has_many_bytes() {
                break;
            }
        }
        let is_over = left > 0 && !self.has_many_bytes();
        self.next = run.number + (self.batch.batch.len() - run.first) as u64;
        run.end(&mut self.batch.batch);
        (start, !is_over)
    }

    /// Ends the input. The bytes after the last line break are a line.
    pub(super) fn finish(&mut self) {
        if self.partial_len > 0 {
            self.end_partial();
        }
    }

    /// Takes the batch.
    pub(super) fn take(&mut self) -> SourceBatch {
        let taken = std::mem::take(&mut self.batch);
        self.bad_bytes = 0;
        if !taken.batch.is_empty() {
            self.record_bytes = taken.batch.strings.bytes().len() / taken.batch.len();
        }
        taken
    }

    /// Allocates room for records that are a little longer than the last ones. A buffer that grows is copied.
    fn make_room(&mut self) {
        const SLACK: usize = 16 << 10;
        if self.batch.batch.is_empty() {
            let bytes = (BATCH_RECORDS * self.record_bytes / 8 * 9).min(BATCH_BYTES) + SLACK;
            self.batch.batch.strings = Strings::with_capacity(BATCH_RECORDS, bytes);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One byte more than allowed shows that the line is too long, and one more may be a carriage return.
        let room = (self.max_record + 2).saturating_sub(self.partial.len());
        self.partial_len += bytes.len() as u64;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_partial(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        let len = std::mem::take(&mut self.partial_len);
        let whole = line.strip_suffix(b"\r").unwrap_or(&line);
        let is_kept = len == line.len() as u64;
        match if is_kept { self.check(whole, false) } else { Some(Code::TOO_LONG) } {
            None => {
                let batch = &mut self.batch.batch;
                batch.numbers.extend_from(batch.strings.len(), &Numbers::From(self.next), 0..1);
                let (text, ends) = batch.strings.parts_mut();
                text.extend_from_slice(whole);
                ends.push(text.len() as u32);
            }
            Some(code) => self.bad(whole, code, self.next),
        }
        self.next += 1;
        line.clear();
        self.partial = line;
    }

    /// Returns why a line is bad. None if it is good.
    #[inline]
    fn check(&self, line: &[u8], is_text: bool) -> Option<Code> {
        if line.len() > self.max_record {
            return Some(Code::TOO_LONG);
        }
        let is_text = is_text || simdutf8::basic::from_utf8(line).is_ok();
        (!is_text).then_some(Code::INVALID_UTF8)
    }

    fn bad(&mut self, line: &[u8], code: Code, number: u64) {
        let kept = if code == Code::TOO_LONG { OVERLONG_PREFIX_BYTES } else { line.len() };
        let bytes = line[..line.len().min(kept)].to_vec();
        self.bad_bytes += bytes.len();
        let record = TextRecord { label: None, number: Some(number), bytes };
        self.batch.bad.push(Bad { record, code });
    }
}

/// Consecutive good lines. Their numbers are appended together.
struct Run {
    /// The number of the first line.
    number: u64,
    /// The index of the first line in the batch.
    first: usize,
}

impl Run {
    fn end(&self, batch: &mut Batch) {
        let count = batch.len() - self.first;
        batch.numbers.extend_from(self.first, &Numbers::From(self.number), 0..count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of `bytes`, which are given in pieces: number and text, or number and code.
    fn split(
        bytes: &[u8],
        piece: usize,
        max: usize,
        most: u64,
    ) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let mut line_splitter = LineSplitter::new(max);
        for piece in bytes.chunks(piece) {
            let mut block = Block::new(piece, line_splitter.unfinished() > 0);
            while !block.is_empty() {
                block = block.behind(line_splitter.feed(block, most));
            }
        }
        line_splitter.finish();
        let SourceBatch { batch, bad, .. } = line_splitter.take();
        let good =
            (0..batch.len()).map(|at| (batch.numbers.get(at), Ok(batch.strings.get(at).to_vec())));
        let bad =
            bad.into_iter().map(|bad| (bad.record.number.unwrap(), Err(bad.code.to_string())));
        let mut lines: Vec<_> = good.chain(bad).collect();
        lines.sort();
        lines
    }

    /// The lines by their definition.
    fn line_by_line(bytes: &[u8], max: usize) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop_if(|last| last.is_empty());
        let lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let judged = lines.map(|line| match std::str::from_utf8(line) {
            _ if line.len() > max => Err(Code::TOO_LONG.to_string()),
            Ok(text) => Ok(text.as_bytes().to_vec()),
            Err(_) => Err(Code::INVALID_UTF8.to_string()),
        });
        (0..).zip(judged).collect()
    }

    #[test]
    fn bad_lines_keep_their_numbers() {
        let lines = split(b"one\r\n\xff\n\nlonger\ntwo", 100, 5, 9);
        let text = |text: &str| Ok(text.as_bytes().to_vec());
        let code = |code: Code| Err(code.to_string());
        assert_eq!(
            lines,
            [
                (0, text("one")),
                (1, code(Code::INVALID_UTF8)),
                (2, text("")),
                (3, code(Code::TOO_LONG)),
                (4, text("two")),
            ]
        );
        assert_eq!(split(b"", 1, 5, 9), []);
        assert_eq!(split(b"\n", 1, 5, 9), [(0, text(""))]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\xc3\xa9".to_vec()), 0..80),
            piece in 1usize..20,
            most in 1u64..5,
        ) {
            prop_assert_eq!(split(&bytes, piece, 4, most), split(&bytes, 1_000, 4, 500));
            prop_assert_eq!(split(&bytes, piece, 4, 500), line_by_line(&bytes, 4));
        }
    }
}
