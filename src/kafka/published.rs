//! What is known here of how much was published, should the cluster forget it.
//!
//! Kafka keeps how many lines were published as an offset of a group, and forgets the offsets of groups that
//! were not heard of for a week (`offsets.retention.minutes`). A note in the state's folder stands in for it
//! where it is sure: it is unsettled while lines may be on their way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic_file;

/// The version of its format.
const VERSION: u32 = 1;

/// What stands in `published.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    floodway_published: u32,
    /// Lines that were published.
    pub lines: u64,
    /// No more were on their way.
    pub is_settled: bool,
}

/// The note, and where it is.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    now: Option<Published>,
}

impl Note {
    /// Reads it, if it is there.
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

    /// What it says.
    pub(super) fn now(&self) -> Option<Published> {
        self.now
    }

    /// So many lines are published, and that is all, or more may be.
    pub(super) fn write(&mut self, lines: u64, is_settled: bool) -> io::Result<()> {
        let new = Published { floodway_published: VERSION, lines, is_settled };
        // How many there are by now is the cluster's to know while it is unsettled.
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
