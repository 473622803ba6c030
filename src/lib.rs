//! Cloud bursting for timely dataflow.
//!
//! When a stream comes in faster than its workers can process it, the excess goes to AWS Lambda
//! instead of slowing the source down, and the results rejoin the dataflow under the timestamps
//! they left with.

// `println!` panics where standard output is closed or full, and nothing may.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod atomic_file;
pub mod aws;
pub mod batch;
pub mod bridge;
mod cleanup_guard;
pub mod cli;
pub mod compare;
pub mod cost;
mod descriptors;
mod destination;
pub mod emulator;
mod host_check;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod live;
mod lock;
pub mod nexmark;
pub mod observe;
pub mod operators;
pub mod pipeline;
pub mod policy;
mod process_stats;
mod quota;
pub mod schedule;
pub mod simulate;
pub mod sink;
pub mod source;
pub mod state;
pub mod task;
mod terminal;
pub mod units;
mod version;
pub mod wire;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
