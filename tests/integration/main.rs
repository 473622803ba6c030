//! Tests of Floodway by itself, linked into one program; those against other programs are in `tests/external`.
//! A few belong to a subject here and need Chromium, jq, faketime or a built function: they say so where it is missing.
//! `cargo test --test integration stop::` runs the tests of `stop.rs`.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../law_1/mod.rs"]
mod law_1;

mod aggregates;
mod app;
mod architecture;
mod bridge;
mod cluster;
mod command;
mod compare;
mod config_file;
mod deadline_simulation;
mod determinism;
mod disk;
mod disk_faults;
mod documented_filters;
mod epochs;
mod examples;
mod fault_server;
mod faults;
mod folders;
mod formats;
mod golden;
mod healthy_remote;
mod help;
mod init;
mod input;
mod lambda;
mod lines;
mod listen;
mod manifest;
mod matrix;
mod nexmark;
mod operators;
mod outbox;
mod policies;
mod queries;
mod readme;
mod replaced_input;
mod resume;
mod rotation;
mod schedule;
mod simulate;
mod sink;
mod soak;
mod stop;
mod summary;
mod terminal;
mod truth;
mod unicode;
mod written;
