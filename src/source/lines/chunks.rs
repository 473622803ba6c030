//! The reader of a worker that reads its own chunks of shared files.

use std::sync::Arc;

use memchr::memchr;

use super::LinesError;
use super::emitter::Emitter;
use super::index::{Chunk, Index, Open};
use super::offsets::LineOffset;
use crate::batch::Header;

/// Which chunks a worker reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    /// The number of the worker, among the workers of all processes.
    pub me: usize,
    /// The number of workers of all processes.
    pub peers: usize,
}

/// The number of bytes that are read together with a chunk after its end. Most last lines end there.
const BEHIND: u64 = 4 << 10;

/// Reads the worker's chunks to their end. A line belongs to the chunk that it begins in.
pub(super) fn read(
    index: &Arc<Index>,
    turns: Turns,
    emitter: &mut Emitter,
) -> Result<(), LinesError> {
    let (mut open, mut bytes) = (Open::default(), Vec::new());
    let mut number = turns.me;
    // The current file, and its first line.
    let mut header: (Option<usize>, Option<Arc<Header>>) = (None, None);
    while number < index.chunks() && !emitter.is_over() {
        let chunk = index.chunk(number);
        index.claim(number);
        // The byte before the chunk says whether a line begins with the chunk.
        let lead = u64::from(!chunk.is_first);
        let end = (chunk.end + BEHIND).min(index.file(chunk.file).size);
        open.read(index, chunk.file, chunk.start - lead..end, &mut bytes)?;
        let own = lead as usize..(lead + chunk.end - chunk.start) as usize;
        index.publish(number, Index::count(chunk, &bytes[own.clone()]));
        let before = index.before(number, &mut open)?;
        let first = match chunk.is_first || bytes[0] == b'\n' {
            true => Some((own.start, before)),
            false => {
                let end = memchr(b'\n', &bytes[own.clone()]);
                end.map(|end| (own.start + end + 1, before + 1)).filter(|(at, _)| *at < own.end)
            }
        };
        if let Some((at, line)) = first {
            let base = index.base(chunk.file, &mut open)?;
            let from = chunk.start - lead + at as u64;
            let label = index.file(chunk.file).label.clone();
            let (file, lines) = (chunk.file, line - base);
            let offset = LineOffset { file, bytes: from, lines, line, ..LineOffset::default() };
            let before = index.before_file(chunk.file);
            if header.0 != Some(file) {
                let line = index.open(file)?.first_line(emitter.line_splitter.max_record())?;
                let number = Some(before);
                header = (Some(file), line.map(|line| Arc::new(Header { line, number })));
            }
            emitter.go_to(offset, label, before);
            emitter.has_header(header.1.clone());
            emitter.feed(&bytes[at..own.end]);
            end_line(index, chunk, &mut open, &mut bytes, own.end, emitter)?;
            emitter.flush();
        }
        number += turns.peers;
    }
    Ok(())
}

/// Reads the rest of the chunk's last line, which is after the chunk. `bytes` has the next bytes from `at` on.
fn end_line(
    index: &Index,
    chunk: Chunk,
    open: &mut Open,
    bytes: &mut Vec<u8>,
    mut at: usize,
    emitter: &mut Emitter,
) -> Result<(), LinesError> {
    const MORE: u64 = 64 << 10;
    let size = index.file(chunk.file).size;
    while emitter.line_splitter.unfinished() > 0 && !emitter.is_over() {
        if at < bytes.len() {
            emitter.feed_line(&bytes[at..]);
            at = bytes.len();
        } else if emitter.at() < size {
            let from = emitter.at();
            open.read(index, chunk.file, from..(from + MORE).min(size), bytes)?;
            at = 0;
        } else {
            emitter.finish();
        }
    }
    Ok(())
}
