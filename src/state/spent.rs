//! The cost of the remote side over all runs of a state.
//!
//! It is not a part of a commit, because records that are computed again after a crash have been paid for too. Each
//! process notes what it spends in its own file, independently of commits. The total is the sum over all files, whichever
//! process wrote them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StateError;
use crate::atomic_file;

/// The version of the format of the files.
const VERSION: u32 = 1;

/// The content of `spent-P.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    floodway_spent: u32,
    /// What this process has spent in all runs, in US dollars.
    usd: f64,
}

/// What the runs of a state had spent when this process began, and the file in which it notes what it spends.
#[derive(Clone, Debug)]
pub struct Spent {
    path: PathBuf,
    /// What this process and all processes had spent, in US dollars.
    own: f64,
    all: f64,
}

impl Spent {
    /// Reads what the runs of the state in `folder` have spent, for process number `process`.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(folder: &Path, process: usize) -> Result<Spent, StateError> {
        let error = |error| StateError::io("read", folder, error);
        let path = folder.join(format!("spent-{process}.json"));
        let mut spent = Spent { path, own: 0.0, all: 0.0 };
        let files = match fs::read_dir(folder) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(spent),
            files => files.map_err(error)?,
        };
        for file in files {
            let path = file.map_err(error)?.path();
            if is_record(&path) {
                let usd = read(&path)?;
                spent.all += usd;
                if path == spent.path {
                    spent.own = usd;
                }
            }
        }
        Ok(spent)
    }

    /// Returns what all processes had spent in all runs when the files were read, in US dollars.
    pub fn usd(&self) -> f64 {
        self.all
    }

    /// Notes that this process has spent `usd` dollars since then.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&self, usd: f64) -> Result<(), StateError> {
        let record = Record { floodway_spent: VERSION, usd: self.own + usd };
        // Numbers can always be written as JSON.
        let mut json = serde_json::to_vec(&record).unwrap_or_default();
        json.push(b'\n');
        atomic_file::write(&self.path, &json)
            .map_err(|error| StateError::io("write", &self.path, error))
    }
}

fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let process = name.strip_prefix("spent-").and_then(|name| name.strip_suffix(".json"));
    process.is_some_and(|process| process.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read(path: &Path) -> Result<f64, StateError> {
    let broken = |why: String| StateError::Spent { path: path.to_path_buf(), why };
    let json = fs::read(path).map_err(|error| StateError::io("read", path, error))?;
    let record: Record =
        serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))?;
    match record {
        Record { floodway_spent: VERSION, usd } if usd.is_finite() && usd >= 0.0 => Ok(usd),
        Record { floodway_spent: VERSION, usd } => Err(broken(format!("{usd} dollars"))),
        Record { floodway_spent, .. } => {
            Err(broken(format!("its format is {floodway_spent}, and {VERSION} is known")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds_up_whichever_processes_spent_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = |process| Spent::read(folder.path(), process).unwrap();
        let nowhere = Spent::read(&folder.path().join("none"), 0).unwrap();
        assert_eq!((nowhere.usd(), read(0).usd()), (0.0, 0.0));
        let [first, second] = [read(0), read(1)];
        // The last word of a run counts.
        first.note(0.25).unwrap();
        first.note(0.5).unwrap();
        second.note(1.0).unwrap();
        let alone = read(0);
        assert_eq!(alone.usd(), 1.5);
        alone.note(0.125).unwrap();
        assert_eq!(read(7).usd(), 1.625);
        // A file that is being written, or is none of ours.
        for name in ["spent-0.json.12.tmp", "spent-x.json", "spent"] {
            fs::write(folder.path().join(name), "{").unwrap();
        }
        assert_eq!(read(0).usd(), 1.625);
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Spent::read(folder.path(), 3).unwrap().note(0.5).unwrap();
        let path = folder.path().join("spent-3.json");
        let whole = fs::read_to_string(&path).unwrap();
        let newer = whole.replace("spent\":1", "spent\":2");
        let odd = ["-0.5", "1e999", "null"].map(|usd| whole.replace("0.5", usd));
        // The last bytes are the end of the object, and of the line.
        let cut = (0..whole.len() - 1).map(|length| whole[..length].to_owned());
        for text in odd.into_iter().chain([newer]).chain(cut) {
            fs::write(&path, &text).unwrap();
            let read = Spent::read(folder.path(), 0);
            assert!(matches!(read, Err(StateError::Spent { .. })), "{text}: {read:?}");
        }
    }
}
