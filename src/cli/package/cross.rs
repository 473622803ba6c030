//! Builds the program for another architecture, by cargo and zig.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

use super::Arch;
use super::elf::GLIBC_OF_LAMBDA;

/// Builds this program for Lambda on `arch`, and returns the file. The source is the package for which cargo has
/// started this program, or else the one in the current folder.
///
/// # Errors
/// If a tool is missing on this machine (the error says how to install it), or if the build fails.
pub(super) fn build(arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    if !is_on_path("cargo-zigbuild") {
        bail!(
            "cargo-zigbuild, which builds the program for {}, is missing: pip install cargo-zigbuild ziglang && rustup \
             target add {target}. Or name a program that was built in another way: --program FILE",
            arch.name()
        );
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = package()?;
    let (kind, name) = own_target()?;
    let (major, minor) = GLIBC_OF_LAMBDA;
    let built = Command::new(&cargo)
        .args(["zigbuild", "--release", "--message-format", "json-render-diagnostics", "--target"])
        .arg(format!("{target}.{major}.{minor}"))
        .arg(kind)
        .arg(&name)
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", Path::new(&cargo).display()))?;
    if !built.status.success() {
        bail!(
            "cargo zigbuild {kind} {} in {} failed ({}). If the standard library for the target is missing: rustup \
             target add {target}",
            name.display(),
            root.display(),
            built.status
        );
    }
    let executable =
        String::from_utf8_lossy(&built.stdout).lines().filter_map(executable).next_back();
    executable.ok_or_else(|| anyhow!("cargo zigbuild does not say where it put the program"))
}

/// Whether a program is in a folder of the PATH.
fn is_on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Returns the folder of the package.
fn package() -> Result<PathBuf> {
    if let Some(root) = env::var_os("CARGO_MANIFEST_DIR") {
        return Ok(root.into());
    }
    let here = env::current_dir().context("there is no current folder")?;
    match here.join("Cargo.toml").is_file() {
        true => Ok(here),
        false => bail!(
            "{} has no Cargo.toml: start the program in the folder of its package, or by cargo run",
            here.display()
        ),
    }
}

/// Returns the option of cargo that selects this program, and its name.
fn own_target() -> io::Result<(&'static str, OsString)> {
    let own = fs::canonicalize(env::current_exe()?)?;
    let name = own.file_name().unwrap_or_default().to_owned();
    let is_example = own.parent().is_some_and(|folder| folder.ends_with("examples"));
    Ok((if is_example { "--example" } else { "--bin" }, name))
}

/// Returns the executable that a message of cargo names, if any.
fn executable(message: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    serde_json::from_str::<Message>(message).ok()?.executable
}
