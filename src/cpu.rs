//! CPU time and memory, as the system counts them.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of the calling thread.
pub(crate) fn of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Of all threads of the process.
pub(crate) fn of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// Memory that the process has, where the system has `/proc`.
pub(crate) fn resident_bytes() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(resident * rustix::param::page_size() as u64)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
