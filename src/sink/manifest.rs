//! `manifest.jsonl`: what is committed. `docs/manifest.md` says how to read it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::settings::ZSTD;
use super::{CommittedState, SinkError};

/// The manifest's name in the output folder.
pub const MANIFEST: &str = "manifest.jsonl";

/// The version of the manifest's format.
pub(super) const VERSION: u32 = 1;

/// The first line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub floodway_manifest: u32,
    /// The identifier of the output.
    #[serde(default)]
    pub id: String,
    /// Commits up to this one may be missing: see [`super::compact`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortened: Option<u64>,
}

/// A committed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedFile {
    /// The file's name in the folder.
    pub name: String,
    /// The file's name until the commit, and until it is renamed.
    pub temporary: String,
    /// The file's length.
    pub bytes: u64,
    /// The number of lines in the file.
    pub records: u64,
}

/// A committed file of keyed state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// The file's name in the folder.
    pub name: String,
    /// The file's length.
    pub bytes: u64,
    /// The number of rows in the file.
    pub rows: u64,
}

/// How a commit changes the files that make up the keyed state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The files that are added.
    pub add: Vec<StateFile>,
    /// The names of the files that are no part of it any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
}

impl StateChange {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.drop.is_empty()
    }
}

/// One commit: a line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The number of the commit, from 0.
    pub commit: u64,
    /// The last epoch that is committed.
    pub up_to_epoch: u64,
    /// The files of this commit.
    pub files: Vec<CommittedFile>,
    /// Temporary files of bad records, which are appended to the dead-letter file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_letters: Vec<CommittedFile>,
    /// The length of the dead-letter file before they are appended.
    #[serde(default)]
    pub dead_letters_at: u64,
    /// The number of lines of this commit and all earlier ones.
    pub total_records: u64,
    /// The number of bad records of this commit and all earlier ones.
    #[serde(default)]
    pub total_bad: u64,
    /// The positions of the sources after `up_to_epoch`, in a format of their own.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub sources: serde_json::Value,
    /// The changes of `sources` since the commit before, in place of `sources`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub sources_changed: serde_json::Value,
    /// How the files of keyed state change. Where commits before this one are left out, all files are added.
    #[serde(default, skip_serializing_if = "StateChange::is_empty")]
    pub state: StateChange,
}

/// The highest epoch and total that are valid, so that later sums cannot overflow.
const MAX_TOTAL: u64 = u64::MAX / 4;

impl Commit {
    /// Checks that this commit can follow `before`. It checks names too, because files are renamed and
    /// removed by them, and a line that was written by hand must not reach out of the folder.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub(super) fn follows(&self, before: &CommittedState) -> Result<(), String> {
        let is_next = self.commit == before.commits;
        let was_left_out = || before.leaves_out(self.commit);
        if !is_next && !was_left_out() {
            return Err(format!("commit {} is out of order", self.commit));
        }
        let earliest = before.last.as_ref().map_or(0, |last| last.up_to_epoch);
        if !(earliest..=MAX_TOTAL).contains(&self.up_to_epoch) {
            return Err(format!("epoch {} cannot be after {earliest}", self.up_to_epoch));
        }
        let names = self.files.iter().map(|file| (&file.name, is_part(&file.name)));
        let all = self.files.iter().chain(&self.dead_letters);
        let temporary = all.map(|file| (&file.temporary, is_temporary(&file.temporary)));
        let added = self.state.add.iter().map(|file| &file.name);
        let state = added.chain(&self.state.drop).map(|name| (name, is_state(name)));
        match names.chain(temporary).chain(state).find(|(_, is_ours)| !is_ours) {
            Some((name, _)) => Err(format!("{name:?} is not the name of a file of an output")),
            None => self.adds_up(before, is_next),
        }
    }

    /// Checks that the totals are those of `before` plus those of the commit's own files. They may be higher
    /// if earlier commits are missing.
    ///
    /// # Errors
    /// The total that is wrong.
    fn adds_up(&self, before: &CommittedState, is_next: bool) -> Result<(), String> {
        let sum =
            |what: &str, from: u64, files: &[CommittedFile], of: fn(&CommittedFile) -> u64| {
                let sum = files.iter().try_fold(from, |sum, file| sum.checked_add(of(file)));
                sum.filter(|sum| *sum <= MAX_TOTAL)
                    .ok_or_else(|| format!("{what} is more than can be"))
            };
        let records = sum("total_records", before.records(), &self.files, |file| file.records)?;
        if self.total_records != records
            && (is_next || !(records..=MAX_TOTAL).contains(&self.total_records))
        {
            return Err(format!(
                "total_records is {}, and adds up to {records}",
                self.total_records
            ));
        }
        // There may be more than are kept.
        let bad = sum("total_bad", before.bad(), &self.dead_letters, |file| file.records)?;
        if !(bad..=MAX_TOTAL).contains(&self.total_bad) {
            return Err(format!("total_bad is {}, and adds up to {bad}", self.total_bad));
        }
        // The first may come to a file that is there already.
        let at = before.last.as_ref().map_or(self.dead_letters_at, Commit::dead_letters_end);
        if self.dead_letters_at != at && (is_next || self.dead_letters_at < at) {
            return Err(format!(
                "dead_letters_at is {}, and adds up to {at}",
                self.dead_letters_at
            ));
        }
        let at = self.dead_letters_at;
        sum("dead_letters_at", at, &self.dead_letters, |file| file.bytes).map(drop)
    }

    /// Returns the length of the dead-letter file after they are appended.
    pub(super) fn dead_letters_end(&self) -> u64 {
        self.dead_letters_at + self.dead_letters.iter().map(|file| file.bytes).sum::<u64>()
    }

    /// Returns the line of the manifest.
    pub(super) fn line(&self) -> Vec<u8> {
        line(self)
    }
}

impl Header {
    /// Returns the line of the manifest.
    pub(super) fn line(&self) -> Vec<u8> {
        line(self)
    }
}

/// Serializes a value that cannot fail to serialize.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The prefix of final names.
pub(super) const PART: &str = "part-";

/// Whether Floodway gives this name to a committed file.
fn is_part(name: &str) -> bool {
    name.strip_prefix(PART).is_some_and(is_numbers)
}

/// The file that tests whether the folder can be written to.
pub(super) const PROBE: &str = ".floodway-probe";

/// The prefixes of the names of an output's files, besides its manifest.
pub const OWN_PREFIXES: [&str; 5] = [PART, ".part-", ".dead-", STATE, PROBE];

/// The prefix of files of keyed state.
const STATE: &str = ".state-";

/// Whether an output uses this name: a run may create such a file in its folder, and remove it.
pub fn is_own_name(name: &str) -> bool {
    name == MANIFEST || OWN_PREFIXES.iter().any(|own| name.starts_with(own))
}

/// Whether Floodway gives this name to a file that is not committed.
pub(super) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(".part-").or_else(|| name.strip_prefix(".dead-")).is_some_and(is_numbers)
}

/// Whether Floodway gives this name to a file of keyed state.
pub(super) fn is_state(name: &str) -> bool {
    name.strip_prefix(STATE).is_some_and(is_numbers)
}

/// Whether the rest of a name consists of numbers and the suffix of the compression.
fn is_numbers(rest: &str) -> bool {
    let rest = rest.strip_suffix(ZSTD).unwrap_or(rest);
    rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The content of a manifest, for readers of an output. It takes memory for each commit; a run uses
/// [`CommittedState`] instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The identifier of the output, which the run's state knows too.
    pub id: String,
    /// Commits up to this one may be missing, because their files were removed.
    pub shortened: Option<u64>,
    /// The commits, in order.
    pub commits: Vec<Commit>,
    /// The length of the complete lines. A torn line after them was never committed.
    pub complete_bytes: u64,
}

impl Manifest {
    /// Reads the manifest of a folder. Without one, the result is empty. A torn last line was not committed
    /// and is ignored.
    ///
    /// # Errors
    /// If it cannot be read, or a whole line is not one of a manifest.
    pub fn read(dir: &Path) -> Result<Manifest, SinkError> {
        let mut commits = Vec::new();
        let CommittedState { id, shortened, complete_bytes, .. } =
            CommittedState::fold(dir, |commit| {
                commits.push(commit.clone());
                Ok(())
            })?;
        Ok(Manifest { id, shortened, commits, complete_bytes })
    }

    /// Returns the number of committed lines.
    pub fn records(&self) -> u64 {
        self.commits.last().map_or(0, |commit| commit.total_records)
    }

    /// Returns the first epoch that is not committed.
    pub fn next_epoch(&self) -> u64 {
        self.commits.last().map_or(0, |commit| commit.up_to_epoch + 1)
    }

    /// Iterates over all files that the manifest names.
    pub fn files(&self) -> impl Iterator<Item = &CommittedFile> {
        self.commits.iter().flat_map(|commit| &commit.files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ID: &str = r#"{"floodway_manifest":1,"id":"x"}"#;

    fn commit(number: u64, records: u64, totals: [u64; 3]) -> String {
        let [total, bad, at] = totals;
        let file = |name: &str, temporary: &str, bytes, records| CommittedFile {
            name: name.to_owned(),
            temporary: temporary.to_owned(),
            bytes,
            records,
        };
        let commit = Commit {
            commit: number,
            up_to_epoch: number,
            files: vec![file("part-1", ".part-1", 9, records)],
            dead_letters: vec![file("part-2", ".dead-2", 50, 2)],
            dead_letters_at: at,
            total_records: total,
            total_bad: bad,
            sources: serde_json::Value::Null,
            sources_changed: serde_json::Value::Null,
            state: StateChange::default(),
        };
        serde_json::to_string(&commit).unwrap()
    }

    fn read(lines: &[String]) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{ID}\n{}\n", lines.join("\n"));
        fs::write(folder.path().join(MANIFEST), text).unwrap();
        let manifest = Manifest::read(folder.path());
        manifest.map_err(|error| {
            let error = error.to_string();
            error.split_once(MANIFEST).unwrap().1.to_owned()
        })
    }

    #[test]
    fn totals_are_what_the_lines_add_up_to() {
        // More bad records than are kept, in a file that was there.
        let first = commit(0, 7, [7, 3, 1_000]);
        let whole = read(&[first.clone(), commit(1, 5, [12, 5, 1_050])]).unwrap();
        assert_eq!((whole.records(), whole.commits[1].total_bad), (12, 5));
        let after_first = |records, totals| read(&[first.clone(), commit(1, records, totals)]);
        for (records, totals, why) in [
            (5, [13, 5, 1_050], ", line 3: total_records is 13, and adds up to 12"),
            (5, [5, 5, 1_050], ", line 3: total_records is 5, and adds up to 12"),
            (5, [12, 4, 1_050], ", line 3: total_bad is 4, and adds up to 5"),
            (
                5,
                [12, u64::MAX, 1_050],
                ", line 3: total_bad is 18446744073709551615, and adds up to 5",
            ),
            (5, [12, 5, 1_000], ", line 3: dead_letters_at is 1000, and adds up to 1050"),
            (u64::MAX, [6, 5, 1_050], ", line 3: total_records is more than can be"),
            (MAX_TOTAL, [MAX_TOTAL + 7, 5, 1_050], ", line 3: total_records is more than can be"),
        ] {
            assert_eq!(after_first(records, totals).unwrap_err(), why);
        }
        let late = read(&[commit(0, 7, [7, 3, MAX_TOTAL - 49])]);
        assert_eq!(late.unwrap_err(), ", line 2: dead_letters_at is more than can be");
    }
}
