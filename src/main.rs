//! The command: see [`floodway::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    floodway::cli::main(std::env::args_os().collect()).into()
}
