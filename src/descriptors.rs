//! File descriptors: how many a process may have, and what of them is kept for files.
//!
//! A burst opens a connection for each request in flight. Linux's usual limit of 1,024 would be used up by them,
//! and then the sink could not open the file it has to commit. So the command raises its limit as far as it may,
//! and connections leave a part of it alone.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files as far as the system lets a process do so itself.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!("the limit on open files stays at {current:?}: {error}");
    }
}

/// Descriptors that a process may have.
pub(crate) fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Those that connections leave to sink and sources: a quarter, as far as that is not more than a run of many
/// workers needs.
fn reserve(limit: usize) -> usize {
    (limit / 4).clamp(limit.min(64) / 2, 1_024)
}

/// The lowest descriptor that is free: at least as many are in use. None if there is none.
fn lowest_free() -> Option<usize> {
    let probe = File::open("/dev/null").ok()?;
    usize::try_from(probe.as_raw_fd()).ok()
}

/// Whether another connection would be one of those that are kept for files.
pub(crate) fn are_short() -> bool {
    let limit = limit();
    lowest_free().is_none_or(|lowest| lowest >= limit - reserve(limit))
}

/// Connections that may be open at once, from now on, if each of them needs so many descriptors in this process.
pub(crate) fn connections(each: usize) -> usize {
    let limit = limit();
    let open = lowest_free().unwrap_or(limit);
    (limit - reserve(limit)).saturating_sub(open) / each.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_every_limit_is_kept() {
        for (limit, kept) in [(20, 10), (64, 32), (256, 64), (1_024, 256), (1 << 20, 1_024)] {
            assert_eq!(reserve(limit), kept, "of {limit}");
        }
        assert!(!are_short() && connections(1) >= connections(2));
    }
}
