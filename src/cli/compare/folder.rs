//! The folder of the report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::atomic_file;
use crate::cli::settings::new_folder;
use crate::cli::{UsageError, unusable_path};

/// The folder that holds the report, its figures, and in `runs/` what each run wrote.
pub(super) struct Folder(PathBuf);

/// The files that a comparison writes, besides those of its runs.
const OWN_FILES: [&str; 4] = ["report.html", "compare.json", "burst.svg", TRACE];

/// A trace that came through a pipe, for the runs to read.
pub(super) const TRACE: &str = "trace.csv";

impl Folder {
    /// Prepares the folder, which must be new or empty. If `overwrite`, it may hold another report, and only
    /// what a comparison writes is removed.
    pub(super) fn prepare(given: Option<PathBuf>, overwrite: bool) -> Result<Folder> {
        let folder = Folder(given.unwrap_or_else(|| new_folder("compare")));
        let shown = folder.0.display().to_string();
        if let Ok(mut entries) = fs::read_dir(&folder.0)
            && entries.next().is_some()
        {
            if !overwrite {
                let why = "is not empty: name another folder, or replace another report in it with \
                           --overwrite";
                return Err(UsageError::new("--report", shown, why).into());
            }
            OWN_FILES.iter().for_each(|name| folder.remove(&folder.path(name)));
            folder.remove_runs();
        }
        let runs = folder.path("runs");
        fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make the folder {shown}"))
            .map_err(|error| unusable_path::as_usage_error("--report", shown, error))?;
        Ok(folder)
    }

    /// Returns the path of a file in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the path of a file of the run `name`.
    pub(super) fn run_file(&self, name: &str, ending: &str) -> PathBuf {
        self.path("runs").join(format!("{name}.{ending}"))
    }

    /// Writes a file atomically.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        atomic_file::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a file that may not be there.
    pub(super) fn remove(&self, path: &Path) {
        // One that stays is overwritten, or in nobody's way.
        let _ = fs::remove_file(path);
    }

    /// Removes the folder and what its runs wrote, if no run was finished, so that the same command can be
    /// given again. Files of others stay, and then the folder does too.
    pub(super) fn remove_unused(&self) {
        self.remove_runs();
        self.remove(&self.path(TRACE));
        for folder in [&self.path("runs"), &self.0] {
            // One that is not empty is not removed.
            let _ = fs::remove_dir(folder);
        }
    }

    fn remove_runs(&self) {
        let Ok(entries) = fs::read_dir(self.path("runs")) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".summary.json") || name.ends_with(".series.jsonl") {
                self.remove(&entry.path());
            }
        }
    }
}
