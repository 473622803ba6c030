//! The sink to files: the files of a folder are the output.

use super::spec::{Prepared, Sink};
use super::{Files, Format, SinkError, lock_dir, prepare, resume};

/// Files in a folder.
#[derive(Debug)]
pub struct FileSink {
    /// The folder, and how its files are written.
    pub files: Files,
    /// Whether to replace another run's output.
    pub overwrite: bool,
}

impl Sink for FileSink {
    fn name(&self) -> Option<String> {
        Some(self.files.dir.display().to_string())
    }

    fn files(&self) -> Option<&Files> {
        Some(&self.files)
    }

    fn description(&self) -> String {
        let Files { dir, format, sync, .. } = &self.files;
        let sync = if *sync { "all" } else { "none" };
        format!("files:{}?format={}&sync={sync}", dir.display(), format.name())
    }

    fn output_depends_on(&self) -> Option<(&'static str, String)> {
        let format = self.files.format;
        // A state that names no format is that of a run with the default.
        (format != Format::default()).then(|| ("the format of --sink", format.name().to_owned()))
    }

    fn replaces(&self) -> bool {
        self.overwrite
    }

    fn prepare(&self, id: &str, is_new: bool) -> Result<Prepared, SinkError> {
        let dir = &self.files.dir;
        let mut prepared = Prepared::folder(dir);
        prepared.lock = Some(lock_dir(dir)?);
        let committed = if is_new {
            prepare(dir, self.overwrite)?;
            None
        } else {
            resume(dir, id, self.overwrite)?
        };
        Ok(prepared.committed(dir, committed))
    }
}
