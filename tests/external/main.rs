//! Tests against other programs, linked into one: AWS's clients and its emulator, moto, Prometheus, Apache Kafka.
//! `.ci/parts` installs those. `cargo test --test external hosting::` runs the tests of `hosting`.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod aws;
mod hosting;
#[cfg(feature = "kafka")]
mod kafka;
mod monitoring;
mod rie;
