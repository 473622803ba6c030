//! Cloud bursting for [timely dataflow](timely).
//!
//! When a stream comes in faster than its workers can process it, the records that would be late are sent to
//! AWS Lambda instead of slowing the source down. Their results rejoin the dataflow under the timestamps that
//! they left with, so the output is the same wherever a record was computed.
//!
//! The work is a pure function of one record, a [`task`]. The operator
//! [`burst`](operators::BurstExt::burst) computes it of a stream's records:
//!
//! ```
//! use floodway::operators::{Burst, BurstExt};
//! use floodway::task;
//! use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
//!
//! let squares = timely::execute_directly(|worker| {
//!     worker.dataflow::<u64, _, _>(|scope| {
//!         let square = task::function("square", |n: &u64| Ok(n * n));
//!         let numbers = (1..=4_u64).to_stream(scope).container::<Vec<_>>();
//!         let (squares, _bad) = numbers.burst(square, Burst::local());
//!         squares.capture()
//!     })
//! });
//! assert_eq!(squares.extract(), [(0, vec![1, 4, 9, 16])]);
//! ```
//!
//! [`Burst::local`](operators::Burst::local) computes everything on the workers. To send what would be later
//! than 200 ms, start a [`Bridge`](bridge::Bridge) to the function and choose a policy:
//! `Burst::new(Deadline::new(200_000_000)).remote(&bridge)`. The README has a whole program, and `examples/`
//! has more.
//!
//! # What to open for what
//!
//! | you want to | open |
//! |---|---|
//! | write a program with the command line of `floodway` | `app`, `job` |
//! | burst a stream, watch it, share a bound between operators | [`operators`] |
//! | decide what is sent, or write a policy | [`policy`] |
//! | send to a function, and limit what is in flight and what it costs | [`bridge`], [`cost`] |
//! | call a function by name or ARN, with AWS credentials | [`aws`] |
//! | compute something of your own | [`task`] |
//! | keep state by key: values that merge, and windows | [`merge`], [`window`], `stateful` |
//! | write a function in another language | [`wire`] |
//! | handle text in flat batches | [`batch`] |
//! | try it without an AWS account | `emulator` |
//! | read lines or events, commit results to files | `source`, `sink` |
//! | read and write topics | `kafka` |
//! | generate events at a rate that changes | [`nexmark`], [`schedule`] |
//!
//! # Features
//!
//! Without default features you get what the modules with a link above need. Each feature adds to that:
//!
//! - `aws`: signed requests, for functions by name or ARN and for function URLs with IAM.
//! - `aws-config`: credentials from AWS's own chain, such as SSO and assumed roles.
//! - `bpe`: the task `bpe`, with its vocabulary.
//! - `emulator`: the module `emulator`, a local Lambda.
//! - `files`: the modules `source`, `sink` and `observe`.
//! - `kafka`, `kafka-tls`: the module `kafka`, which is compiled with make and a C compiler.
//! - `cli` (default): the command `floodway`, with `aws`, `bpe`, `emulator` and `files`.
//! - `differential` (default): differential dataflow, for an example.

// `println!` panics where standard output is closed or full, and nothing may.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
// What only the command uses of a module is unused without the command. With it, nothing may be.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

#[cfg(feature = "cli")]
mod app;
#[cfg(feature = "files")]
mod atomic_file;
pub mod aws;
pub mod batch;
pub mod bridge;
#[cfg(feature = "files")]
mod cleanup_guard;
#[cfg(feature = "cli")]
mod cli;
mod clock;
#[cfg(feature = "cli")]
mod compare;
pub mod cost;
mod counters;
mod descriptors;
#[cfg(feature = "files")]
mod destination;
#[cfg(feature = "emulator")]
pub mod emulator;
#[cfg(feature = "emulator")]
mod host_check;
#[cfg(feature = "cli")]
pub mod job;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "cli")]
mod live;
#[cfg(feature = "files")]
mod lock;
pub mod merge;
pub mod nexmark;
#[cfg(feature = "files")]
pub mod observe;
pub mod operators;
#[cfg(feature = "cli")]
mod pipeline;
pub mod policy;
mod pool;
mod process_stats;
#[cfg(feature = "files")]
mod program_name;
#[cfg(feature = "cli")]
mod query;
#[cfg(feature = "emulator")]
mod quota;
pub mod schedule;
mod scheduler;
#[cfg(feature = "cli")]
mod simulate;
#[cfg(feature = "files")]
pub mod sink;
#[cfg(feature = "files")]
pub mod source;
mod stage_needs;
mod stage_totals;
#[cfg(feature = "cli")]
mod state;
#[cfg(feature = "files")]
mod state_file;
#[cfg(feature = "files")]
mod state_totals;
#[cfg(feature = "files")]
pub mod stateful;
mod sync;
pub mod task;
mod terminal;
pub mod units;
mod version;
pub mod window;
pub mod wire;

#[cfg(feature = "cli")]
pub use app::{App, Runnable, app};

/// What the binary, the tests and the benchmarks of this package use. It is not part of the public
/// interface: any of it may change in any version.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod internal {
    pub use crate::cli::Exit;

    /// Runs the command line `args` of `floodway`, with the program's name first.
    pub fn main(args: Vec<std::ffi::OsString>) -> Exit {
        crate::cli::main(&crate::cli::Program::default(), args)
    }

    /// Runs the command line `args` of a program of one's own, with the program's name first.
    pub fn main_of(program: &crate::Runnable, args: Vec<std::ffi::OsString>) -> Exit {
        crate::cli::main(&program.0, args)
    }

    pub mod live {
        pub use crate::live::*;
    }
    pub mod pipeline {
        pub use crate::pipeline::*;
    }
    pub mod pool {
        pub use crate::pool::*;
    }
    /// Faults of the file system, and steps of a commit after which a test ends the process.
    pub mod sink {
        pub use crate::sink::commit_hook::CommitStep;
        pub use crate::sink::disk::{Call, Disk, Fault};
        pub use crate::sink::prepare::resume_on;
    }
    pub mod query {
        pub use crate::query::*;
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

/// Compiles the code of the page about programs.
#[cfg(doctest)]
#[doc = include_str!("../docs/programs.md")]
struct Programs;

/// Compiles the code of the page about state.
#[cfg(doctest)]
#[doc = include_str!("../docs/state.md")]
struct State;
