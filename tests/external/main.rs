//! Tests against other programs, linked into one: AWS's clients and its emulator, moto, Prometheus, Apache Kafka.
//! `.ci/parts` installs those. `cargo test --test external hosting::` runs the tests of `hosting`.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "kafka")]
#[path = "../integration/fault_server/mod.rs"]
mod fault_server;
#[cfg(feature = "kafka")]
#[path = "../law_1/mod.rs"]
mod law_1;

mod aws;
mod hosting;
#[cfg(feature = "kafka")]
mod kafka;
mod monitoring;
mod pool;
mod queries;
mod rie;
