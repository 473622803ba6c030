//! What comes from outside, as bytes: each format has a target, a function that takes any bytes and
//! asserts what must hold of them. No panic is the least of it.
//!
//! `cargo test --test fuzz` gives every target its corpus (`corpus/NAME/`: real inputs, edge cases,
//! and whatever was found), and each input cut off at every byte.
//!
//! `FLOODWAY_FUZZ=60s cargo test --release --test fuzz -- --nocapture --test-threads 1` then makes
//! new inputs out of those for a minute each ([`engine`] says how). An input that fails is made
//! shorter and saved in the corpus under the name of what failed. `FLOODWAY_SEED` repeats a session.
//!
//! A parser that is private is compiled into this test from its own source file: nothing is made
//! public for it.
#![allow(clippy::unwrap_used)]

mod engine;
mod mutate;
mod targets;

// What those source files call by its path from the crate's root.
use floodway::internal::{pipeline, pool, query, simulate, state};
#[cfg(feature = "kafka")]
use floodway::kafka;
use floodway::{aws, batch, bridge, cost, emulator, nexmark, policy, schedule, sink, task, units};

/// The same, with what the crate keeps for itself.
#[path = "../../src/source"]
mod source {
    #[cfg(feature = "kafka")]
    pub use floodway::source::KafkaInput;
    pub use floodway::source::{Input, Nexmark, Pace, Rate, Source, nominal};
    pub(crate) use globs::{matches, name_matches, path_of, text_of};
    pub(crate) use source_batch::SourceBatch;

    #[allow(dead_code)]
    #[path = "lines/globs.rs"]
    mod globs;
    #[allow(dead_code)]
    mod source_batch;

    pub const OVERLONG_PREFIX_BYTES: usize = 1_024;
}

#[path = "../../src/atomic_file.rs"]
#[allow(dead_code)]
mod atomic_file;
#[path = "../../src/cleanup_guard.rs"]
#[allow(dead_code)]
mod cleanup_guard;
#[path = "../../src/destination.rs"]
#[allow(dead_code)]
mod destination;

#[path = "../../src/program_name.rs"]
#[allow(dead_code)]
mod program_name;
#[path = "../../src/quota.rs"]
#[allow(dead_code)]
mod quota;
#[path = "../../src/terminal.rs"]
#[allow(dead_code)]
mod terminal;

mod job {
    pub use floodway::job::Graph;
    pub use floodway::job::internal::{DataflowDescription, FunctionGraph, TextGraph};
}

/// What reads a configuration: from its text to the settings of a run.
#[path = "../../src/cli"]
#[allow(dead_code, unused_imports)]
mod cli {
    mod args;
    mod argv;
    mod config;
    mod error;
    mod folder_conflicts;
    mod form;
    mod function_folder;
    mod function_task;
    mod given;
    mod help;
    #[cfg_attr(not(feature = "kafka"), path = "no_kafka.rs")]
    mod kafka;
    mod key_values;
    mod listen;
    mod output;
    mod own_options;
    mod parse_error;
    mod path_conflicts;
    mod policy_options;
    mod program;
    mod rates;
    mod refused;
    mod remote_options;
    mod settings;
    mod sink;
    mod source;
    mod stage_options;
    mod state;
    #[allow(dead_code)]
    mod trace_file;

    use error::UsageError;

    #[path = "../../tests/fuzz/targets/config.rs"]
    pub mod target;
}

/// What cuts bytes into lines.
#[path = "../../src/source/lines"]
#[allow(dead_code)]
mod lines {
    mod line_splitter;

    #[path = "../../../tests/fuzz/targets/cut.rs"]
    pub mod target;
}

#[path = "../../src/merge"]
#[allow(dead_code)]
mod merge {
    mod instances;
    mod intervals;

    pub use floodway::merge::Merge;
    pub use instances::{Count, Set};
    pub use intervals::Intervals;
}

/// What reads and merges the files of keyed state.
#[path = "../../src/state_file"]
#[allow(dead_code)]
mod state_file {
    mod block;
    mod error;
    mod merge;
    mod read;

    pub(crate) use block::{BlockHeader, BlockWriter, MAGIC};
    pub use error::StateFileError;
    pub(crate) use merge::{MergeRows, MergeShard, Over, Parts, merge_files};
    pub(crate) use read::StateReader;
}

#[path = "../../src/window"]
#[allow(dead_code)]
mod window {
    mod event_frontier;
    mod key_map;
    mod panes;
    mod store;

    pub(crate) use event_frontier::EventFrontier;
    pub use event_frontier::Lateness;
    pub(crate) use key_map::{KeyMap, SHARDS, shard};
    pub(crate) use panes::Panes;
    pub(crate) use store::{Apply, Row, Store};

    #[derive(Clone)]
    pub struct Window<K, V> {
        pub start: i64,
        pub end: i64,
        pub key: K,
        pub value: V,
    }
}

#[path = "../../src/stateful"]
#[allow(dead_code)]
mod stateful {
    mod merge_rows;

    pub(crate) use merge_rows::merge_rows;
}

#[test]
fn trace() {
    engine::run(targets::trace::target());
}

#[test]
fn config() {
    engine::run(cli::target::target());
}

#[test]
fn wire() {
    engine::run(targets::wire::target());
}

#[test]
fn manifest() {
    engine::run(targets::manifest::target());
}

#[test]
fn state() {
    engine::run(targets::state::target());
}

#[test]
fn keyed_state() {
    engine::run(targets::keyed_state::target());
}

#[test]
fn position() {
    engine::run(targets::position::target());
}

#[test]
fn cut() {
    engine::run(lines::target::target());
}
