//! The pool: processes of a function on this machine that compute records in place of the workers.
//!
//! It is the local side of `--task function:DIR`. A worker hands work items to the [`Pool`] as it does to the
//! bridge, and receives the results by the same replies. A thread serves the processes: each takes about
//! 20 ms of work at a time, as one request of the wire format.
//!
//! **A record is bad only if it fails alone, three times, in three processes.** A request that fails is halved
//! until each of its records has a result or fails alone. A remote failure is no verdict: its records return to the
//! worker, which hands them to the pool. So it does not depend on where a record was computed whether it is bad.

#[cfg(feature = "emulator")]
mod lane;
mod load;
#[cfg(feature = "emulator")]
mod processes;
mod queue;
#[cfg(feature = "emulator")]
mod verdict;
mod worker;

#[cfg(feature = "emulator")]
pub use processes::{PoolError, PoolSettings, ProcessPool};
pub use queue::Pool;
pub(crate) use worker::PoolWorker;
