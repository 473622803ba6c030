//! The state folder, with its lock and its record.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StateError;
use super::record::{Record, VERSION};
use crate::atomic_file;
use crate::cleanup_guard::CleanupGuard;
use crate::lock::{LockWait, is_still_at};

const LOCK: &str = "lock";
const RECORD: &str = "state.json";

/// The state of a run. No other run can open it until it is dropped or its process ends.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    record: Record,
    is_new: bool,
    /// The files that were created. This field is dropped before the lock.
    created: CleanupGuard,
    /// The lock is held as long as this file is open.
    _lock: File,
}

impl State {
    /// Opens or creates the state in `folder`, for a run of this `version` whose output depends on `settings`. A new
    /// state gets the id of its output from `new_output`. If another run has the lock, this waits two seconds for it.
    /// Only the lock is written. Files that were created are removed if the state is dropped before a run has begun.
    ///
    /// # Errors
    /// If the state cannot be read, is in use, or was made by another command.
    pub fn open(
        folder: &Path,
        version: &str,
        settings: &BTreeMap<String, String>,
        new_output: impl FnOnce() -> String,
    ) -> Result<State, StateError> {
        let (created, lock) = lock(folder)?;
        let path = folder.join(RECORD);
        let record = match fs::read(&path) {
            Ok(json) => Some(read(&path, &json)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StateError::io("read", &path, error)),
        };
        let is_new = record.is_none();
        let record = record.unwrap_or_else(|| Record {
            floodway_state: VERSION,
            version: version.to_owned(),
            output: new_output(),
            runs: 0,
            settings: settings.clone(),
            code: None,
        });
        if !record.is_of(version) {
            return Err(StateError::Version { was: record.version, is: version.to_owned() });
        }
        let differences = record.differences(settings);
        if !differences.is_empty() {
            return Err(StateError::Differs(differences));
        }
        Ok(State { folder: folder.to_path_buf(), record, is_new, created, _lock: lock })
    }

    /// Returns the id of the output.
    pub fn output(&self) -> &str {
        &self.record.output
    }

    /// Returns the id of the output of the state in `folder`, without taking the lock.
    pub fn output_in(folder: &Path) -> Option<String> {
        let path = folder.join(RECORD);
        let json = fs::read(&path).ok()?;
        read(&path, &json).ok().map(|record| record.output)
    }

    /// Whether no run has begun yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Sets the fingerprint of the code that the next run has. Returns whether the last run had other code, as far as that
    /// is known.
    pub fn set_code(&mut self, code: Option<&str>) -> bool {
        let was = std::mem::replace(&mut self.record.code, code.map(str::to_owned));
        was.as_deref().zip(code).is_some_and(|(was, is)| was != is)
    }

    /// Records that a run begins, before the run writes anything. Returns the number of runs that have begun.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn begin(&mut self) -> Result<u64, StateError> {
        self.record.runs = self.record.runs.saturating_add(1);
        let path = self.folder.join(RECORD);
        if self.is_new {
            self.created.track(&path);
        }
        let mut json = serde_json::to_vec_pretty(&self.record).unwrap_or_default();
        json.push(b'\n');
        atomic_file::write(&path, &json).map_err(|error| StateError::io("write", &path, error))?;
        self.created.keep();
        Ok(self.record.runs)
    }

    /// Returns the files that were created, for a caller that decides later whether the run begins.
    pub(crate) fn created(&mut self) -> CleanupGuard {
        std::mem::take(&mut self.created)
    }
}

/// Takes the lock in `folder`, which is created if necessary. Returns what was created, and the lock. The system releases
/// the lock when the process ends.
fn lock(folder: &Path) -> Result<(CleanupGuard, File), StateError> {
    let path = folder.join(LOCK);
    let mut created = CleanupGuard::default();
    let mut lock_wait = LockWait::new();
    loop {
        let folders = atomic_file::create_dir_durable(folder);
        created.append(folders.map_err(|error| StateError::io("make the folder", folder, error))?);
        let error = |error| StateError::io("lock", &path, error);
        let (file, is_new) = open_or_create(&path).map_err(error)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still_at(&file, &path) => {
                if is_new {
                    created.track(path);
                }
                return Ok((created, file));
            }
            // The run that held the lock was refused, and has just removed the file.
            Ok(()) => {}
            Err(Errno::WOULDBLOCK)
                if lock_wait.wait(format_args!("the state in {}", folder.display())) => {}
            Err(Errno::WOULDBLOCK) => return Err(StateError::Locked),
            Err(errno) => return Err(error(errno.into())),
        }
    }
}

/// Opens or creates a file. Returns whether it was created.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    let mut options = File::options();
    options.write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok((options.create(true).truncate(false).open(path)?, false))
        }
        file => Ok((file?, true)),
    }
}

fn read(path: &Path, json: &[u8]) -> Result<Record, StateError> {
    /// The field that all versions of the format have.
    #[derive(serde::Deserialize)]
    struct Format {
        floodway_state: u32,
    }
    let broken = |why: String| StateError::Broken { path: path.to_path_buf(), why };
    let format: Format = serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
    if format.floodway_state != VERSION {
        let why = format!("its format is {}, and {VERSION} is known", format.floodway_state);
        return Err(broken(why));
    }
    serde_json::from_slice(json).map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Difference;

    fn settings(seed: &str) -> BTreeMap<String, String> {
        [("--seed".to_owned(), seed.to_owned())].into()
    }

    #[test]
    fn it_is_one_runs_at_a_time_and_the_same_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let open = |seed| State::open(&path, "0.1.0", &settings(seed), || "id".to_owned());
        let mut first = open("1").unwrap();
        assert!(first.is_new());
        assert!(matches!(open("1"), Err(StateError::Locked)));
        assert_eq!(first.begin().unwrap(), 1);
        let output = first.output().to_owned();
        drop(first);
        let mut second = open("1").unwrap();
        assert!(!second.is_new() && second.output() == output);
        // The code is not known from the run before.
        assert!(!second.set_code(Some("a")));
        assert_eq!(second.begin().unwrap(), 2);
        drop(second);
        let mut third = open("1").unwrap();
        assert!(!third.set_code(Some("a")) && third.set_code(Some("b")));
        drop(third);
        let Err(StateError::Differs(differences)) = open("2") else { panic!("it is another") };
        let [was, is] = ["1", "2"].map(|seed| Some(seed.to_owned()));
        assert_eq!(differences, [Difference { option: "--seed".to_owned(), was, is }]);
        assert_eq!(differences[0].to_string(), "--seed was 1 and is 2");
        let other = State::open(&path, "0.2.0", &settings("1"), || "id".to_owned());
        assert!(matches!(other, Err(StateError::Version { .. })));
        assert!(!State::open(&path, "0.1.7", &settings("1"), || "id".to_owned()).unwrap().is_new());
    }

    #[test]
    fn a_record_that_is_cut_off_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = || State::open(folder.path(), "0.1.0", &settings("1"), || "id".to_owned());
        open().unwrap().begin().unwrap();
        let path = folder.path().join(RECORD);
        let whole = fs::read(&path).unwrap();
        // The last byte is the line break.
        for length in 0..whole.len() - 1 {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(open(), Err(StateError::Broken { .. })), "{length} bytes");
        }
        fs::write(&path, String::from_utf8(whole).unwrap().replace("state\": 1", "state\": 2"))
            .unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains("its format is 2"), "{error}");
    }
}
