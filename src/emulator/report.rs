//! The log of an invocation, and its REPORT line.

use std::io::Write as _;
use std::time::Duration;

use super::runtime::{Printed, Status};

/// The figures of a finished invocation.
#[derive(Debug)]
pub(super) struct Report {
    pub number: u64,
    pub duration: Duration,
    pub billed_ms: u64,
    pub memory_mb: u32,
    pub used_mb: u32,
    pub cold_start: Option<Duration>,
    pub status: Status,
    pub printed: Printed,
}

/// The number of bytes of the log that a response includes.
pub(super) const TAIL: usize = 4_096;

impl Report {
    /// Returns the end of the invocation's log.
    pub(super) fn tail(&self) -> Vec<u8> {
        let id = request_id(self.number);
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut log = self.printed.before.clone();
        // Writing to a `Vec` cannot fail.
        let _ = writeln!(log, "START RequestId: {id} Version: $LATEST");
        log.extend_from_slice(&self.printed.during);
        if log.last().is_some_and(|last| *last != b'\n') {
            log.push(b'\n');
        }
        let _ = write!(
            log,
            "END RequestId: {id}\n\
             REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {} ms\t\
             Memory Size: {} MB\tMax Memory Used: {} MB\t",
            milliseconds(self.duration),
            self.billed_ms,
            self.memory_mb,
            self.used_mb,
        );
        if let Some(cold_start) = self.cold_start {
            let _ = write!(log, "Init Duration: {:.2} ms\t", milliseconds(cold_start));
        }
        let _ = match &self.status {
            Status::Answered => Ok(()),
            Status::TimedOut => write!(log, "Status: timeout\t"),
            Status::Failed(kind) => write!(log, "Status: error\tError Type: {kind}\t"),
        };
        log.push(b'\n');
        log.split_off(log.len().saturating_sub(TAIL))
    }
}

/// Returns a request's id in AWS's format.
pub(super) fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}
