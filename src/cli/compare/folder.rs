//! The report's folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cli::settings::new_folder;
use crate::cli::{UsageError, unusable};
use crate::whole;

/// Where everything goes: the report, its figures, and in `runs/` what each run wrote.
pub(super) struct Folder(PathBuf);

/// The files that a comparison writes, beside those of its runs.
const OWN: [&str; 4] = ["report.html", "compare.json", "burst.svg", TRACE];

/// A trace that came through a pipe, for the runs to read.
pub(super) const TRACE: &str = "trace.csv";

impl Folder {
    /// A new or an empty folder; another one only if it may be overwritten, and then only what a
    /// comparison writes is removed from it.
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
            OWN.iter().for_each(|name| folder.remove(&folder.path(name)));
            folder.remove_runs();
        }
        let runs = folder.path("runs");
        fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make the folder {shown}"))
            .map_err(|error| unusable::named("--report", shown, error))?;
        Ok(folder)
    }

    /// A file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of the run `name`.
    pub(super) fn run_file(&self, name: &str, ending: &str) -> PathBuf {
        self.path("runs").join(format!("{name}.{ending}"))
    }

    /// Writes a file, whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        whole::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a file that may not be there.
    pub(super) fn remove(&self, path: &Path) {
        // One that stays is overwritten, or in nobody's way.
        let _ = fs::remove_file(path);
    }

    /// Removes it and what its runs wrote, where none of them was finished: or the same command could
    /// not be given again. What is somebody else's stays, and so does the folder then.
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
