//! What two processes of a run say to each other before timely uses their connection.
//!
//! The one that was connected to speaks first, the other answers, and the first confirms: so each knows that the
//! other is a process of a run like its own, and reads the other's clock within one round trip.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a greeting begins with: a name, and the version of its form.
const MAGIC: [u8; 12] = *b"floodway\0\0\0\x01";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// Processes of its run.
    pub processes: u32,
    /// Which of them it is.
    pub process: u32,
}

/// Nanoseconds of Unix time, as the speaker's clock has it.
type UnixNanos = u64;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Whoever is there does not speak as a process of a run does.
    #[error("what answers there is no process of a run")]
    Stranger,
    /// It is of a run with another number of processes.
    #[error("process {process} was started with -n {processes}, this one with -n {ours}")]
    OtherRun { process: u32, processes: u32, ours: u32 },
    /// It is another process than it should be.
    #[error(
        "process {0} answers there: do all processes have the same hosts file, each with its own -p?"
    )]
    OtherProcess(u32),
}

impl Greeting {
    /// Connects to the process `expected`; answers how far its clock is ahead of this one, in nanoseconds.
    pub(super) async fn connect(
        self,
        stream: &mut TcpStream,
        expected: u32,
    ) -> Result<i64, Refused> {
        let (theirs, _) = read(stream).await?;
        let before = self.write(stream).await?;
        self.check(theirs)?;
        if theirs.process != expected {
            return Err(Refused::OtherProcess(theirs.process));
        }
        let (_, clock) = read(stream).await?;
        Ok(ahead(before, clock, unix_now()))
    }

    /// Hears a process that has connected to this one; answers which it is, and how far its clock is ahead.
    pub(super) async fn accept(self, stream: &mut TcpStream) -> Result<(u32, i64), Refused> {
        let before = self.write(stream).await?;
        let (theirs, clock) = read(stream).await?;
        let ahead = ahead(before, clock, unix_now());
        self.check(theirs)?;
        // Each process connects to those before it.
        if theirs.process <= self.process || theirs.process >= self.processes {
            return Err(Refused::OtherProcess(theirs.process));
        }
        self.write(stream).await?;
        Ok((theirs.process, ahead))
    }

    fn check(self, theirs: Greeting) -> Result<(), Refused> {
        let Greeting { processes, process } = theirs;
        match processes == self.processes {
            true => Ok(()),
            false => Err(Refused::OtherRun { process, processes, ours: self.processes }),
        }
    }

    async fn write(self, stream: &mut TcpStream) -> io::Result<UnixNanos> {
        let now = unix_now();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.processes.to_be_bytes());
        bytes.extend(self.process.to_be_bytes());
        bytes.extend(now.to_be_bytes());
        stream.write_all(&bytes).await?;
        Ok(now)
    }
}

/// Reads a greeting, and not a byte more.
async fn read(stream: &mut TcpStream) -> Result<(Greeting, UnixNanos), Refused> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(Refused::Stranger);
    }
    let (processes, process) = (stream.read_u32().await?, stream.read_u32().await?);
    Ok((Greeting { processes, process }, stream.read_u64().await?))
}

/// How far a clock is ahead that said `theirs` between `before` and `after`: 0 if it may be right, less than 0 if
/// it is behind.
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
    fn a_clock_is_ahead_or_behind_by_what_the_exchange_does_not_explain() {
        assert_eq!(ahead(100, 110, 120), 0);
        assert_eq!(ahead(100, 90, 120), -10);
        assert_eq!(ahead(100, 150, 120), 30);
    }
}
