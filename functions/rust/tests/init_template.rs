//! The own test of the function that `floodway init function --lang rust` writes.
#![allow(dead_code)]

#[path = "../../../src/cli/init/templates/rust/handler.rs"]
mod handler;
#[path = "../../../src/cli/init/templates/rust/wire.rs"]
mod wire;
