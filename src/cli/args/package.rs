//! The options of `package`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::given::Given;

#[derive(Debug, Args)]
pub struct PackageArgs {
    /// Folder for the zips, NAME-x86_64.zip and NAME-arm64.zip.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Architecture of the only zip [default: that of this machine, and the other one if it can be built here].
    ///
    /// The architecture of this machine needs no tools: the zip holds the program that is running. For the other one,
    /// cargo-zigbuild builds the program from its Cargo package.
    #[arg(long, value_enum, value_name = "ARCH")]
    pub arch: Option<Arch>,
    /// Program to pack in place of this one, which was built in another way, such as for a musl target.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// All options with their values as text.
    #[arg(skip)]
    pub given: Given,
}

/// An architecture of AWS Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// AWS Graviton.
    #[value(name = "arm64")]
    Arm64,
}
