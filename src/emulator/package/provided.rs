//! A function that is a program, which uses the Runtime API itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::PackageError;
use super::manifest::Manifest;

/// Name of the program that AWS runs.
pub(super) const NAME: &str = "bootstrap";

pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Finds the program: `code` itself, or the file `bootstrap` in it.
pub(super) fn find(manifest: &Manifest, code: &Path) -> Result<PathBuf, PackageError> {
    let path = if code.is_dir() { code.join(NAME) } else { code.to_owned() };
    if !path.exists() {
        return Err(PackageError::Missing { path, build: manifest.build.clone() });
    }
    if !is_executable(&path) {
        let what = "is not executable: chmod +x it".to_owned();
        return Err(PackageError::Program { path, what });
    }
    Ok(path)
}
