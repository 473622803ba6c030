//! The reader of all workers of a process: of standard input, or of files one after another.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::LinesError;
use super::compression::{Compression, FIRST, Refused};
use super::decompress::decompress;
use super::emitter::Emitter;
use super::file_watcher::{FileWatcher, POLL_INTERVAL};
use super::globs::path_of;
use super::input::Input;
use super::offsets::LineOffset;
use super::opened::{BLOCK, Opened};
use super::rotation::{find_copy, warn_lost};
use super::start::Start;
use super::tracked_file::TrackedFile;

/// How long the reader waits for a pipe before it checks whether the run stops.
const PIPE_TIMEOUT: Duration = Duration::from_millis(100);

/// The number of bytes that are split before the file is checked again.
const SLICE: usize = 32 << 10;

/// How often a file that is not followed is checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Reads standard input to its end.
pub(super) fn read_pipe(emitter: &mut Emitter, input: File) -> io::Result<()> {
    let wait = Arc::new(AtomicU64::new(0));
    let mut pipe = Pipe { input, wait: Arc::clone(&wait) };
    let mut first = Vec::new();
    let mut content: Option<Box<dyn Read + Send>> = None;
    let mut block = vec![0; BLOCK];
    while !emitter.is_over() {
        emitter.tick(false);
        wait.store(emitter.wait_limit(PIPE_TIMEOUT).as_nanos() as u64, Relaxed);
        let from: &mut dyn Read = match &mut content {
            Some(content) => content,
            None => &mut pipe,
        };
        let read = match read(from, &mut block) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                emitter.tick(true);
                continue;
            }
            read => read?,
        };
        if content.is_some() {
            if read == 0 {
                emitter.finish();
                break;
            }
            emitter.feed(&block[..read]);
        } else {
            // The mark of a format contains no line break, so a line break ends the bytes that have to be looked at.
            first.extend_from_slice(&block[..read]);
            if read == 0 || first.len() >= FIRST || first.contains(&b'\n') {
                let compression =
                    Compression::of(&first[..first.len().min(FIRST)]).map_err(Refused::error)?;
                let whole = io::Cursor::new(std::mem::take(&mut first)).chain(pipe.try_clone()?);
                content = Some(decompress(whole, compression));
            }
        }
        // It may be long until more input comes.
        emitter.flush();
    }
    Ok(())
}

/// A pipe that a reader does not wait for longer than a given time.
struct Pipe {
    input: File,
    /// That time, in nanoseconds.
    wait: Arc<AtomicU64>,
}

impl Pipe {
    fn try_clone(&self) -> io::Result<Pipe> {
        Ok(Pipe { input: self.input.try_clone()?, wait: Arc::clone(&self.wait) })
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wait = Duration::from_nanos(self.wait.load(Relaxed));
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = [PollFd::new(&self.input, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            Ok(_) => self.input.read(buffer),
            Err(error) => Err(error.into()),
        }
    }
}

fn read(input: &mut (impl Read + ?Sized), block: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Files that are read one after another.
pub(super) struct Sequence {
    /// Finds the files that come after the current one, if the files are followed.
    watcher: Option<FileWatcher>,
    start: Start,
    block: Vec<u8>,
}

impl Sequence {
    /// Creates a reader of the files that `input` names, from `start` on.
    pub(super) fn new(input: Input, mut start: Start) -> Self {
        let follow = matches!(input, Input::Files { follow: true, .. });
        let watcher = follow.then(|| FileWatcher::new(input, &mut start));
        Sequence { watcher, start, block: vec![0; BLOCK] }
    }

    /// Reads the files to their ends. Files that are followed are read until the run stops.
    pub(super) fn read(mut self, emitter: &mut Emitter) -> Result<(), LinesError> {
        let (mut offset, mut before) = (self.start.offset, self.start.before);
        let mut next = self.start.first.take();
        while let Some(opened) = next {
            self.read_file(emitter, opened, offset, before)?;
            if emitter.is_over() {
                break;
            }
            offset = LineOffset { line: emitter.line(), ..LineOffset::default() };
            next = match &mut self.watcher {
                Some(watcher) => watcher.next()?.map(|(opened, read)| {
                    (offset.bytes, offset.checksum) = read;
                    opened
                }),
                None => self.start.next()?,
            };
            if let Some(next) = &next {
                before = self.finish(emitter, next);
            }
        }
        if let Some(watcher) = &mut self.watcher {
            watcher.end();
        }
        Ok(())
    }

    /// Notes that the current file was read to its end. Returns the number of lines that were read under the path of
    /// the next file.
    fn finish(&mut self, emitter: &Emitter, next: &Opened) -> u64 {
        let Some(whole) = emitter.end_of_file() else { return 0 };
        let is_same_path = path_of(&whole.path) == next.found.path;
        let before = if is_same_path { whole.before + whole.lines } else { 0 };
        if let (Some(watcher), Some(tracked_file)) = (&mut self.watcher, &emitter.tracked_file) {
            watcher.finish(whole.clone(), &tracked_file.opened, next);
        }
        // A resumed run needs the position of an earlier file of the same path only if a glob may name that file.
        if let Some(epoch_offsets) = &emitter.epoch_offsets
            && (!is_same_path || next.found.label.is_some())
        {
            epoch_offsets.finish(whole);
        }
        before
    }

    fn read_file(
        &mut self,
        emitter: &mut Emitter,
        mut at: Opened,
        offset: LineOffset,
        before: u64,
    ) -> Result<(), LinesError> {
        let path = at.found.path.clone();
        let failed = |error| LinesError::read(&path, error);
        let mut content = at.content(offset.bytes)?;
        let tracked_file = TrackedFile::new(at.clone(), before, offset).map_err(failed)?;
        emitter.go_to_file(tracked_file, offset)?;
        let mut is_copy = false;
        let mut checked = Instant::now();
        while !emitter.is_over() {
            let read = read(&mut content, &mut self.block).map_err(failed)?;
            for slice in self.block[..read].chunks(SLICE) {
                emitter.feed(slice);
                match &mut self.watcher {
                    Some(watcher) => watcher.poll(&at, None)?,
                    None if checked.elapsed() < CHECK_INTERVAL => {}
                    None => {
                        emitter.is_unchanged(false)?;
                        checked = Instant::now();
                    }
                }
            }
            let Some(watcher) = &mut self.watcher else {
                if read == 0 {
                    emitter.is_unchanged(true)?;
                    emitter.finish();
                    break;
                }
                continue;
            };
            if read > 0 {
                watcher.note_growth();
                emitter.flush();
                emitter.tick(false);
            } else {
                emitter.flush();
                emitter.tick(true);
                let position = emitter.position();
                if watcher.is_over(position.as_ref()) {
                    emitter.finish();
                    break;
                }
                watcher.poll(&at, position.as_ref())?;
                if !emitter.is_over() {
                    thread::sleep(emitter.wait_limit(POLL_INTERVAL));
                }
            }
            // Checked after reading: if it holds, the bytes that were read are those of the file.
            if !is_copy && !emitter.is_there() {
                watcher.restart(&at);
                let Some(position) = emitter.position() else { break };
                let Some(copy) = find_copy(&position, &at.found) else {
                    emitter.is_begun_anew()?;
                    warn_lost(&path, &position);
                    emitter.finish();
                    break;
                };
                tracing::info!("{} was truncated: what it was is read from a copy", path.display());
                (at, is_copy) = (copy, true);
                content = at.content(emitter.at())?;
                emitter.goes_on_in(&at);
            }
        }
        Ok(())
    }
}
