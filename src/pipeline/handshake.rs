//! The handshake of two processes of a run, before timely uses their connection.
//!
//! The process that was connected to speaks first, the other answers, and the first confirms: so each knows
//! that the other is a process of the same run, and reads the other's clock within one round trip.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The first bytes of a handshake: a name, and the version of the format.
const MAGIC: [u8; 12] = *b"floodway\0\0\0\x02";

/// The process that sends the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    /// The number of processes of its run.
    pub processes: u32,
    /// The number of the process.
    pub process: u32,
    /// The number of its workers.
    pub workers: u32,
}

/// Nanoseconds of Unix time, by the sender's clock.
type UnixNanos = u64;

/// The reason why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side is no process of a run.
    #[error("what answers there is no process of a run")]
    NotAProcess,
    /// The other process belongs to a run with another number of processes.
    #[error("process {process} was started with -n {processes}, this one with -n {ours}")]
    ProcessCount { process: u32, processes: u32, ours: u32 },
    /// The other process has another number of workers. Timely numbers the workers of a run as if all
    /// processes had as many.
    #[error("process {process} was started with -w {workers}, this one with -w {ours}")]
    WorkerCount { process: u32, workers: u32, ours: u32 },
    /// Another process answered than the expected one.
    #[error(
        "process {0} answers there: do all processes have the same hosts file, each with its own -p?"
    )]
    UnexpectedProcess(u32),
}

impl HandshakeError {
    /// Returns the number of a process that was started with other numbers of processes or workers.
    pub(super) fn different_process(&self) -> Option<u32> {
        match self {
            HandshakeError::ProcessCount { process, .. }
            | HandshakeError::WorkerCount { process, .. } => Some(*process),
            _ => None,
        }
    }
}

impl Handshake {
    /// Does the handshake with the process `expected`, which this one has connected to. Returns how many
    /// nanoseconds its clock is ahead.
    pub(super) async fn connect(
        self,
        stream: &mut TcpStream,
        expected: u32,
    ) -> Result<i64, HandshakeError> {
        let (theirs, _) = read(stream).await?;
        let before = self.write(stream).await?;
        self.check(theirs)?;
        if theirs.process != expected {
            return Err(HandshakeError::UnexpectedProcess(theirs.process));
        }
        let (_, clock) = read(stream).await?;
        Ok(ahead(before, clock, unix_now()))
    }

    /// Does the handshake with a process that has connected to this one. Returns its number, and how many
    /// nanoseconds its clock is ahead.
    pub(super) async fn accept(self, stream: &mut TcpStream) -> Result<(u32, i64), HandshakeError> {
        let before = self.write(stream).await?;
        let (theirs, clock) = read(stream).await?;
        let ahead = ahead(before, clock, unix_now());
        self.check(theirs)?;
        // Each process connects to those before it.
        if theirs.process <= self.process || theirs.process >= self.processes {
            return Err(HandshakeError::UnexpectedProcess(theirs.process));
        }
        self.write(stream).await?;
        Ok((theirs.process, ahead))
    }

    fn check(self, theirs: Handshake) -> Result<(), HandshakeError> {
        let Handshake { processes, process, workers } = theirs;
        if processes != self.processes {
            return Err(HandshakeError::ProcessCount { process, processes, ours: self.processes });
        }
        if workers != self.workers {
            return Err(HandshakeError::WorkerCount { process, workers, ours: self.workers });
        }
        Ok(())
    }

    async fn write(self, stream: &mut TcpStream) -> io::Result<UnixNanos> {
        let now = unix_now();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.processes.to_be_bytes());
        bytes.extend(self.process.to_be_bytes());
        bytes.extend(self.workers.to_be_bytes());
        bytes.extend(now.to_be_bytes());
        stream.write_all(&bytes).await?;
        Ok(now)
    }
}

/// Reads one handshake, and no byte more.
async fn read(stream: &mut TcpStream) -> Result<(Handshake, UnixNanos), HandshakeError> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(HandshakeError::NotAProcess);
    }
    let (processes, process) = (stream.read_u32().await?, stream.read_u32().await?);
    let workers = stream.read_u32().await?;
    Ok((Handshake { processes, process, workers }, stream.read_u64().await?))
}

/// Returns how far ahead a clock is that showed `theirs` at some time between `before` and `after`: 0 if it
/// may be right, negative if it is behind.
fn ahead(before: UnixNanos, theirs: UnixNanos, after: UnixNanos) -> i64 {
    let ahead = |of: UnixNanos| theirs.wrapping_sub(of) as i64;
    match (ahead(before), ahead(after)) {
        (behind, _) if behind < 0 => behind,
        (_, ahead) => ahead.max(0),
    }
}

fn unix_now() -> UnixNanos {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as UnixNanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_clock_excludes_the_round_trip() {
        assert_eq!(ahead(100, 110, 120), 0);
        assert_eq!(ahead(100, 90, 120), -10);
        assert_eq!(ahead(100, 150, 120), 30);
    }
}
