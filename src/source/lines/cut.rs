//! Cuts bytes into records: lines that are text and not too long, and bad ones.

use memchr::memchr;

use crate::batch::{Batch, Numbers, TextRecord};
use crate::task::{Bad, Code};

/// The lines cut so far, since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Good lines, with their numbers.
    pub batch: Batch,
    /// Bad ones.
    pub bad: Vec<Bad<TextRecord>>,
}

/// Cuts a stream of bytes, given in pieces, into lines. The line's end (`\n` or `\r\n`) is not
/// part of it; a last line without an end is a line.
#[derive(Debug)]
pub(super) struct Cutter {
    max_record: usize,
    next: u64,
    /// The beginning of a line whose end has not come, up to one byte more than is allowed.
    partial: Vec<u8>,
    /// The line whose end has not come is longer than what is kept of it.
    overlong: bool,
    pub cut: Cut,
}

/// Bytes of an over-long line that go to the dead letters with it.
const KEPT_OF_OVERLONG: usize = 1_024;

impl Cutter {
    pub(super) fn new(max_record: usize) -> Self {
        Cutter { max_record, next: 0, partial: Vec::new(), overlong: false, cut: Cut::default() }
    }

    /// The number that the next line gets.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Cuts one line off the front of `bytes`, and answers how many bytes it took: all of them if
    /// the line does not end here.
    pub(super) fn feed_line(&mut self, bytes: &[u8]) -> usize {
        match memchr(b'\n', bytes) {
            Some(end) => {
                if self.partial.is_empty() && !self.overlong {
                    self.line(&bytes[..end]);
                } else {
                    self.keep(&bytes[..end]);
                    self.end_partial();
                }
                end + 1
            }
            None => {
                self.keep(bytes);
                bytes.len()
            }
        }
    }

    /// Ends the input: what came after the last line's end is a line.
    pub(super) fn finish(&mut self) {
        if !self.partial.is_empty() || self.overlong {
            self.end_partial();
        }
    }

    /// Takes what was cut.
    pub(super) fn take(&mut self) -> Cut {
        std::mem::take(&mut self.cut)
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One byte more than allowed shows that it is too long; one for a carriage return.
        let room = (self.max_record + 2).saturating_sub(self.partial.len());
        self.overlong |= bytes.len() > room;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_partial(&mut self) {
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.overlong) {
            self.bad(&line, Code::TOO_LONG);
        } else {
            self.line(&line);
        }
        self.partial = line;
        self.partial.clear();
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max_record {
            return self.bad(line, Code::TOO_LONG);
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.bad(line, Code::INVALID_UTF8);
        };
        let batch = &mut self.cut.batch;
        batch.numbers.extend_from(batch.strings.len(), &Numbers::From(self.next), 0..1);
        batch.strings.push(text);
        self.next += 1;
    }

    fn bad(&mut self, line: &[u8], code: Code) {
        let kept = if code == Code::TOO_LONG { KEPT_OF_OVERLONG } else { line.len() };
        let bytes = line[..line.len().min(kept)].to_vec();
        let record = TextRecord { label: None, number: self.next, bytes };
        self.cut.bad.push(Bad { record, code });
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines cut from `bytes` given in pieces: number and text, or number and code.
    fn cut(bytes: &[u8], piece: usize, max: usize) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let mut cutter = Cutter::new(max);
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                piece = &piece[cutter.feed_line(piece)..];
            }
        }
        cutter.finish();
        let Cut { batch, bad } = cutter.take();
        let good =
            (0..batch.len()).map(|at| (batch.numbers.get(at), Ok(batch.strings.get(at).to_vec())));
        let bad = bad.into_iter().map(|bad| (bad.record.number, Err(bad.code.to_string())));
        let mut lines: Vec<_> = good.chain(bad).collect();
        lines.sort();
        lines
    }

    #[test]
    fn bad_lines_keep_their_numbers() {
        let lines = cut(b"one\r\n\xff\n\nlonger\ntwo", 100, 5);
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
        assert_eq!(cut(b"", 1, 5), []);
        assert_eq!(cut(b"\n", 1, 5), [(0, text(""))]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\xc3\xa9".to_vec()), 0..80),
            piece in 1usize..20,
        ) {
            prop_assert_eq!(cut(&bytes, piece, 4), cut(&bytes, 1_000, 4));
        }
    }
}
