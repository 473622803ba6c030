//! The command: see [`floodway::cli`].

use std::process::ExitCode;

/// Batches are allocated on one thread and freed on another, a few hundred KiB at a time: the
/// system's allocator gives such memory back to the kernel and takes it again, page fault by page
/// fault (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    floodway::cli::main(std::env::args_os().collect()).into()
}
