//! The locks, atomics and channels that threads share. They are those of `std` and crossbeam. In tests with
//! the feature `_interleavings` they are shuttle's, which runs a test under many schedules of its threads
//! (`docs/testing.md`).
//!
//! Parts that have such a test take them from here. A part must not hold a lock of another kind while it uses
//! one of these, because shuttle runs all threads of a test on one thread of the system.

#[cfg(not(all(test, feature = "_interleavings", not(miri))))]
pub(crate) use {
    crossbeam_channel::{Receiver, Sender, bounded, unbounded},
    std::sync::{Mutex, MutexGuard, atomic},
    std::thread,
};

#[cfg(all(test, feature = "_interleavings", not(miri)))]
mod channel;
#[cfg(test)]
#[cfg(feature = "_interleavings")]
pub(crate) mod schedules;

#[cfg(all(test, feature = "_interleavings", not(miri)))]
pub(crate) use {
    channel::{Receiver, Sender, bounded, unbounded},
    shuttle::sync::{Mutex, MutexGuard, atomic},
    shuttle::thread,
};
