//! Cloud bursting for timely dataflow.
//!
//! When a stream comes in faster than its workers can process it, the excess goes to AWS Lambda
//! instead of slowing the source down, and the results rejoin the dataflow under the timestamps
//! they left with.

// `println!` panics where standard output is closed or full, and nothing may.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
// What only the command uses of a module is unused without the command. With it, nothing may be.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

#[cfg(feature = "files")]
mod atomic_file;
pub mod aws;
pub mod batch;
pub mod bridge;
#[cfg(feature = "files")]
mod cleanup_guard;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod compare;
pub mod cost;
mod descriptors;
#[cfg(feature = "files")]
mod destination;
#[cfg(feature = "emulator")]
pub mod emulator;
#[cfg(feature = "emulator")]
mod host_check;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "cli")]
mod live;
#[cfg(feature = "files")]
mod lock;
pub mod nexmark;
#[cfg(feature = "files")]
pub mod observe;
pub mod operators;
#[cfg(feature = "cli")]
mod pipeline;
pub mod policy;
mod process_stats;
#[cfg(feature = "emulator")]
mod quota;
pub mod schedule;
#[cfg(feature = "cli")]
mod simulate;
#[cfg(feature = "files")]
pub mod sink;
#[cfg(feature = "files")]
pub mod source;
#[cfg(feature = "cli")]
mod state;
pub mod task;
#[cfg(feature = "files")]
mod terminal;
pub mod units;
mod version;
pub mod wire;

/// What the binary, the tests and the benchmarks of this package use. It is not part of the public
/// interface: any of it may change in any version.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod internal {
    pub use crate::cli::{Exit, main};
    pub mod live {
        pub use crate::live::*;
    }
    pub mod pipeline {
        pub use crate::pipeline::*;
    }
    /// Faults of the file system, and steps of a commit after which a test ends the process.
    pub mod sink {
        pub use crate::sink::disk::{Call, Disk, Fault};
        pub use crate::sink::prepare::resume_on;
        pub use crate::sink::step::Step;
    }
    pub mod simulate {
        pub use crate::simulate::*;
    }
    pub mod state {
        pub use crate::state::*;
    }
}

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
