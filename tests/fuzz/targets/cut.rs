//! Lines, cut out of bytes that come in pieces.

use super::line_splitter::{Block, LineSplitter};
use crate::engine::Target;
use crate::task::Code;

/// Longer lines are bad.
const MOST: usize = 12;

pub fn target() -> Target {
    let words = [
        "\n",
        "\r\n",
        "\r",
        "\n\n\n",
        "\r\r\n",
        "\u{feff}",
        "\u{e9}",
        "\u{4e16}",
        "a word and more",
        "twelve bytes",
        "twelve bytes\n",
        "twelve bytes\r\n",
        "thirteen bytes",
        "\0",
    ];
    Target::new("cut", &words, check)
}

type Line = (u64, Result<Vec<u8>, String>);

fn check(bytes: &[u8]) -> String {
    let expected = line_by_line(bytes);
    for (piece, most) in [(1, 500), (2, 1), (3, 500), (7, 2), (4_096, 3), (4_096, 500)] {
        assert!(cut(bytes, piece, most) == expected, "in pieces of {piece}, {most} lines at once");
    }
    let kinds: std::collections::BTreeSet<&str> = expected
        .iter()
        .map(|(_, line)| match line {
            Ok(text) if text.is_empty() => "empty",
            Ok(text) if text.is_ascii() => "text",
            Ok(_) => "text of the world",
            Err(code) => code,
        })
        .collect();
    let end = if bytes.ends_with(b"\n") { "ended" } else { "open" };
    let size = "x".repeat(expected.len().ilog2_or_zero());
    format!("{kinds:?} {end} {size}").replace('"', "")
}

trait Size {
    fn ilog2_or_zero(self) -> usize;
}

impl Size for usize {
    fn ilog2_or_zero(self) -> usize {
        self.checked_ilog2().unwrap_or(0) as usize
    }
}

/// As the reader does it: a batch that is full is taken.
fn cut(bytes: &[u8], piece: usize, most: u64) -> Vec<Line> {
    let mut cutter = LineSplitter::new(MOST);
    let mut lines = Vec::new();
    for piece in bytes.chunks(piece) {
        let mut block = Block::new(piece, cutter.unfinished() > 0);
        while !block.is_empty() {
            let taken = cutter.feed(block, most);
            block = block.behind(taken);
            let is_full = cutter.is_full();
            assert!(taken > 0 || is_full, "it stands still");
            if is_full {
                take(&mut cutter, &mut lines);
            }
        }
    }
    cutter.finish();
    assert_eq!(cutter.unfinished(), 0);
    take(&mut cutter, &mut lines);
    assert_eq!(cutter.next_number(), lines.len() as u64);
    lines.sort();
    lines
}

fn take(cutter: &mut LineSplitter, lines: &mut Vec<Line>) {
    let cut = cutter.take();
    let batch = cut.batch;
    lines.extend(
        (0..batch.len()).map(|at| (batch.numbers.get(at), Ok(batch.strings.text(at).into()))),
    );
    lines.extend(
        cut.bad.into_iter().map(|bad| (bad.record.number.unwrap(), Err(bad.code.to_string()))),
    );
}

/// As the definition says.
fn line_by_line(bytes: &[u8]) -> Vec<Line> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|last| last.is_empty());
    let lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let judged = lines.map(|line| match std::str::from_utf8(line) {
        _ if line.len() > MOST => Err(Code::TOO_LONG.to_string()),
        Ok(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => Err(Code::INVALID_UTF8.to_string()),
    });
    (0..).zip(judged).collect()
}
