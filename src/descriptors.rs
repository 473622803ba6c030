//! File descriptors: the process's limit, and the part of it that is reserved for files.
//!
//! A burst opens a connection for each request in flight. These would use up Linux's usual limit of 1,024,
//! and then the sink could not open the file it has to commit. So the command raises its limit as far as it
//! may, and connections leave a reserve.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files to the hard limit.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!("the limit on open files stays at {current:?}: {error}");
    }
}

/// Returns the limit on open descriptors.
pub(crate) fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Returns the number of descriptors that connections leave to sink and sources: a quarter of the limit, but
/// no more than a run of many workers needs.
fn reserve(limit: usize) -> usize {
    (limit / 4).clamp(limit.min(64) / 2, 1_024)
}

/// Returns the lowest free descriptor: at least as many are in use. None if all are in use.
fn lowest_free() -> Option<usize> {
    let probe = File::open("/dev/null").ok()?;
    usize::try_from(probe.as_raw_fd()).ok()
}

/// Whether another connection would use a descriptor that is reserved for files.
pub(crate) fn is_reserve_reached() -> bool {
    let limit = limit();
    lowest_free().is_none_or(|lowest| lowest >= limit - reserve(limit))
}

/// Returns how many more connections may be open at once, if each needs `each` descriptors in this process.
pub(crate) fn max_connections(each: usize) -> usize {
    let limit = limit();
    let open = lowest_free().unwrap_or(limit);
    (limit - reserve(limit)).saturating_sub(open) / each.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_every_limit_is_reserved_for_files() {
        for (limit, kept) in [(20, 10), (64, 32), (256, 64), (1_024, 256), (1 << 20, 1_024)] {
            assert_eq!(reserve(limit), kept, "of {limit}");
        }
        assert!(!is_reserve_reached() && max_connections(1) >= max_connections(2));
    }
}
