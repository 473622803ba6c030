//! What a process writes to its standard output and error.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::super::report::TAIL;

/// Read as it comes, so that a function that prints a lot never waits; the last of it is kept.
pub(super) struct Output {
    tail: Arc<Mutex<Tail>>,
    pipe: Arc<pipe::Receiver>,
    reader: JoinHandle<()>,
}

struct Tail {
    kept: Vec<u8>,
    /// Where lines are shown: the last one, of which the end has not come.
    line: Option<Vec<u8>>,
}

/// A longer line is shown in pieces.
const MAX_LINE: usize = 64 * 1024;

impl Output {
    /// One pipe for both streams, which keeps their order; `show` prints their lines on the server's
    /// standard error.
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

    /// The last of what was written since the last time.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        // What is in the pipe was written before whatever we heard of otherwise. A process that never
        // stops writing must not hold us up.
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
        // Somebody who left the group may still hold the other end.
        self.reader.abort();
    }
}

impl Tail {
    /// Reads once; whether there may be more to come.
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
            // Who does not read our standard error does not want it.
            let _ = std::io::stderr().write_all(&line[..end]);
            line.drain(..end);
        }
    }
}
