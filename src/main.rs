//! The command, of which the library holds everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    floodway::internal::main(std::env::args_os().collect()).into()
}
