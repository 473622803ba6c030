//! Makes the zip for AWS Lambda.

use std::fs;
use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Name of the file that Lambda starts.
const BOOTSTRAP: &str = "bootstrap";

/// Script that starts the program with the loader and the libraries that are packed with it.
const START: &str = "#!/bin/sh\n\
    here=${0%/*}\n\
    exec \"$here/lib/loader\" --library-path \"$here/lib\" \"$here/program\"\n";

/// Returns the zip of a program that runs in Lambda as it is.
pub(super) fn plain(program: &[u8]) -> Result<Vec<u8>> {
    Ok(pack(&[(BOOTSTRAP.to_owned(), program)])?)
}

/// Returns the zip of the program at `path`, with this machine's `loader` and libraries. So the program does not depend
/// on those that Lambda has.
pub(super) fn with_libraries(path: &Path, program: &[u8], loader: &Path) -> Result<Vec<u8>> {
    let mut libraries = Vec::new();
    for library in libraries_of(path, loader)? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        libraries.push((format!("lib/{name}"), read(&library)?));
    }
    libraries.push(("lib/loader".to_owned(), read(loader)?));
    let mut entries =
        vec![(BOOTSTRAP.to_owned(), START.as_bytes()), ("program".to_owned(), program)];
    entries.extend(libraries.iter().map(|(name, bytes)| (name.clone(), &bytes[..])));
    Ok(pack(&entries)?)
}

/// Reads a file.
fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Asks the loader for the libraries that it finds for a program.
fn libraries_of(program: &Path, loader: &Path) -> Result<Vec<PathBuf>> {
    let asked = Command::new(loader).arg("--list").arg(program).output();
    let listed = asked.with_context(|| format!("cannot run {}", loader.display()))?;
    if !listed.status.success() {
        bail!("{} --list {}: {}", loader.display(), program.display(), listed.status);
    }
    // A line is `NAME => PATH (ADDRESS)`, or has no path for what the kernel provides and for the loader.
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = listed.lines().filter_map(|line| line.split_once(" => "));
    let paths = paths.map(|(_, path)| path.rsplit_once(" (").map_or(path, |(path, _)| path));
    let loader = loader.file_name();
    Ok(paths.map(PathBuf::from).filter(|path| path.file_name() != loader).collect())
}

/// Packs files, which are all executable. The same files always give the same bytes.
fn pack(entries: &[(String, &[u8])]) -> io::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut packed = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        packed.start_file(name, options).map_err(io::Error::other)?;
        packed.write_all(bytes)?;
    }
    Ok(packed.finish().map_err(io::Error::other)?.into_inner())
}
