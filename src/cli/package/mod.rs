//! `package`: makes the zip of a user's program for AWS Lambda.

mod bundle;
mod cross;
mod elf;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use self::elf::Elf;
use super::args::{Arch, PackageArgs};
use super::output::print_line;
use super::{UsageError, logging};
use crate::atomic_file;

impl Arch {
    /// The architecture of this machine.
    const OWN: Arch = if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::X86_64 };

    /// Returns AWS's name of the architecture.
    fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Arm64 => "arm64",
        }
    }

    /// Returns Rust's name of the target triple.
    fn target(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-linux-gnu",
            Arch::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// Largest function that Lambda takes, and largest zip that is not in S3, in bytes.
const MAX_UNZIPPED: usize = 250 << 20;
const MAX_UPLOADED: usize = 50 << 20;

/// The zip of a function for Lambda.
struct Package {
    zip: Vec<u8>,
    /// What is in it, in words.
    about: String,
}

pub(super) fn package(args: &PackageArgs) -> Result<()> {
    logging::init(args.log.as_deref())?;
    let program = &args.given.program;
    if !program.is_own() {
        let why = "is for programs of one's own: functions/rust/build makes the function with Floodway's tasks";
        return Err(UsageError::new("floodway", "package", why).into());
    }
    program.check_served()?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create the folder {}", args.out.display()))?;
    let write = |arch: Arch, package: Package| {
        let path = args.out.join(format!("{}-{}.zip", program.name(), arch.name()));
        atomic_file::write(&path, &package.zip)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let megabytes = package.zip.len() as f64 / 1e6;
        let (path, about) = (path.display(), package.about);
        print_line(format_args!("{path}: {}, {megabytes:.1} MB, {about}", arch.name()))
    };
    if let Some(path) = &args.program {
        let (arch, package) = given(path, args)?;
        return write(arch, package);
    }
    if let Some(arch) = args.arch {
        return write(arch, make(arch)?);
    }
    for arch in [Arch::X86_64, Arch::Arm64] {
        match make(arch) {
            Ok(package) => write(arch, package)?,
            Err(why) if arch == Arch::OWN => return Err(why),
            Err(why) => print_line(format_args!("{}: not made: {why:#}", arch.name()))?,
        }
    }
    Ok(())
}

/// Packs the program that --program names.
fn given(path: &Path, args: &PackageArgs) -> Result<(Arch, Package)> {
    let wrong = |why: String| UsageError::new("--program", path.display().to_string(), why);
    let program = fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let elf = Elf::read(&program)
        .ok_or_else(|| wrong("is no program for Linux on x86_64 or arm64".to_owned()))?;
    if let Some(arch) = args.arch.filter(|arch| *arch != elf.arch) {
        let why = format!("is for {}, and --arch is {}", elf.arch.name(), arch.name());
        return Err(wrong(why).into());
    }
    if let Some(lacks) = elf.lacks() {
        let target = elf.arch.target();
        let why = format!(
            "{lacks}: build it by cargo zigbuild --target {target}.2.34, or for a musl target"
        );
        return Err(wrong(why).into());
    }
    Ok((elf.arch, plain(&program, &elf)?))
}

/// Makes the package for `arch`, from the program that is running if it is for `arch`, or else from one that is built
/// now.
fn make(arch: Arch) -> Result<Package> {
    let path = std::env::current_exe().context("cannot find this program's file")?;
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let program = read(&path)?;
    if let Some(elf) = Elf::read(&program).filter(|elf| elf.arch == arch) {
        return match (elf.lacks(), &elf.loader) {
            (Some(lacks), Some(loader)) => {
                let zip = bundle::with_libraries(&path, &program, loader)?;
                let about =
                    format!("this program, with the libraries of this machine, because {lacks}");
                Package::new(zip, program.len(), about)
            }
            _ => plain(&program, &elf),
        };
    }
    let built = cross::build(arch)?;
    let program = read(&built)?;
    let elf = Elf::read(&program).filter(|elf| elf.arch == arch);
    let elf = elf.ok_or_else(|| anyhow!("{} is not for {}", built.display(), arch.name()))?;
    match elf.lacks() {
        Some(lacks) => Err(anyhow!("{}: {lacks}", built.display())),
        None => plain(&program, &elf),
    }
}

/// Packs a program that runs in Lambda as it is.
fn plain(program: &[u8], elf: &Elf) -> Result<Package> {
    Package::new(bundle::plain(program)?, program.len(), format!("it {}", elf.needs()))
}

impl Package {
    /// Checks the sizes of a zip and of the program in it.
    fn new(zip: Vec<u8>, program: usize, about: String) -> Result<Self> {
        let smaller = "build with --release, and with strip = true in the profile";
        if program > MAX_UNZIPPED {
            let megabytes = program >> 20;
            return Err(anyhow!(
                "the program has {megabytes} MB, and Lambda takes at most 250 MB: {smaller}"
            ));
        }
        if zip.len() > MAX_UPLOADED {
            tracing::warn!("Lambda takes a zip of more than 50 MB from S3 only: {smaller}");
        }
        Ok(Package { zip, about })
    }
}
