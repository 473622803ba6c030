//! The standard output and standard error of a process.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::super::report::TAIL;

/// Output that is read as it arrives, so that a function that prints a lot never waits. The end of it is
/// kept.
pub(super) struct Output {
    tail: Arc<Mutex<Tail>>,
    pipe: Arc<pipe::Receiver>,
    reader: JoinHandle<()>,
}

struct Tail {
    kept: Vec<u8>,
    /// If lines are shown: the last line, whose end has not arrived.
    line: Option<Vec<u8>>,
}

/// A longer line is shown in parts.
const MAX_LINE: usize = 64 * 1024;

impl Output {
    /// Creates one pipe for both streams, which keeps their order. With `show` their lines are printed on the
    /// server's standard error.
    pub(super) fn new(show: bool) -> std::io::Result<(Output, Stdio, Stdio)> {
        let (reader, writer) = std::io::pipe()?;
        let out = Stdio::from(writer.try_clone()?);
        let pipe = Arc::new(pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?);
        let show = show || tracing::enabled!(tracing::Level::DEBUG);
        let tail = Arc::new(Mutex::new(Tail { kept: Vec::new(), line: show.then(Vec::new) }));
        let (of_reader, its_tail) = (Arc::clone(&pipe), Arc::clone(&tail));
        let reader = tokio::spawn(async move {
            while of_reader.readable().await.is_ok() {
                let mut tail = its_tail.lock().unwrap_or_else(PoisonError::into_inner);
                if !tail.read(|buffer| of_reader.try_read(buffer)) {
                    return;
                }
            }
        });
        Ok((Output { tail, pipe, reader }, out, Stdio::from(writer)))
    }

    /// Returns the end of the output since the last call.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        // Output in the pipe was written before the event that led to this call. The number of reads is
        // limited, because a process may never stop writing.
        for _ in 0..16 {
            let mut empty = false;
            let more = tail.read(|buffer| {
                let read = rustix::io::read(&*self.pipe, buffer).map_err(std::io::Error::from);
                empty = read.is_err();
                read
            });
            if empty || !more {
                break;
            }
        }
        std::mem::take(&mut tail.kept)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // A process that left the group may still have the pipe open.
        self.reader.abort();
    }
}

impl Tail {
    /// Reads once. Returns whether there may be more to read.
    fn read(&mut self, read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> bool {
        let mut buffer = [0; 16 * 1024];
        match read(&mut buffer) {
            Ok(0) => false,
            Ok(bytes) => {
                self.push(&buffer[..bytes]);
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        let past = self.kept.len().saturating_sub(TAIL);
        self.kept.drain(..past);
        let Some(line) = &mut self.line else { return };
        line.extend_from_slice(bytes);
        let end = line.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        if let Some(end) = end.or((line.len() > MAX_LINE).then_some(line.len())) {
            // If nobody reads the server's standard error, the lines are not needed.
            let _ = std::io::stderr().write_all(&line[..end]);
            line.drain(..end);
        }
    }
}
