//! A note of how many lines were published, in case the cluster forgets it.
//!
//! Kafka stores the number of published lines as the offset of a group, and deletes the offsets of groups that have not
//! been active for a week (`offsets.retention.minutes`). Then the note in the state's folder is used, if it is settled.
//! It is unsettled while lines may be on their way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic_file;

/// The version of the format.
const VERSION: u32 = 1;

/// The content of `published.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    floodway_published: u32,
    /// The number of lines that were published.
    pub lines: u64,
    /// Whether no more lines were on their way.
    pub is_settled: bool,
}

/// The note and its path.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    now: Option<Published>,
}

impl Note {
    /// Reads the note, if it exists.
    pub(super) fn read(folder: &Path) -> io::Result<Note> {
        let path = folder.join("published.json");
        let now = match fs::read(&path) {
            Ok(json) => Some(serde_json::from_slice(&json).map_err(io::Error::from)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now.is_some_and(|now: Published| now.floodway_published != VERSION) {
            let path = path.display();
            return Err(io::Error::other(format!("{path} is of another version")));
        }
        Ok(Note { path, now })
    }

    /// Returns the content. None if the note does not exist.
    pub(super) fn now(&self) -> Option<Published> {
        self.now
    }

    /// Notes that `lines` lines are published. If it `is_settled`, no more lines are on their way.
    pub(super) fn write(&mut self, lines: u64, is_settled: bool) -> io::Result<()> {
        let new = Published { floodway_published: VERSION, lines, is_settled };
        // While the note is unsettled, the number in it is not used.
        let is_new = self.now.is_none_or(|now| now != new && (is_settled || now.is_settled));
        if is_new {
            // Numbers can be written.
            let mut json = serde_json::to_vec(&new).unwrap_or_default();
            json.push(b'\n');
            atomic_file::write(&self.path, &json)?;
            self.now = Some(new);
        }
        Ok(())
    }
}
