//! What had been read when each epoch began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::input::Found;
use super::position::{FilePosition, Position};

/// Where a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Which file.
    pub file: usize,
    /// Bytes of it before the line, as they are when they are unpacked.
    pub bytes: u64,
    /// Lines of it before the line.
    pub lines: u64,
    /// Lines before it in all files.
    pub line: u64,
}

/// The places at which epochs began, for the epochs that are not committed.
#[derive(Debug)]
pub(super) struct Places(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    begun: BTreeMap<u64, Place>,
    most: usize,
    files: Vec<Found>,
    /// What was read of the files before the one at hand.
    read: Vec<(u64, u64)>,
    /// Of files that were read to their ends: they are not looked at again.
    known: BTreeMap<usize, FilePosition>,
}

impl Places {
    /// `most` epochs are open at most, and those before them are forgotten.
    pub(super) fn new(most: usize) -> Self {
        Places(Mutex::new(Inner {
            begun: BTreeMap::new(),
            most,
            files: Vec::new(),
            read: Vec::new(),
            known: BTreeMap::new(),
        }))
    }

    /// `epoch` begins at `place`.
    pub(super) fn begin(&self, epoch: u64, place: Place) {
        let mut inner = self.lock();
        inner.begun.insert(epoch, place);
        while inner.begun.len() > inner.most {
            inner.begun.pop_first();
        }
    }

    /// Another file is read, after those before it.
    pub(super) fn open(&self, file: Found) {
        self.lock().files.push(file);
    }

    /// The file at hand was read to its end: so many bytes and lines.
    pub(super) fn finish(&self, bytes: u64, lines: u64) {
        self.lock().read.push((bytes, lines));
    }

    /// Where everything of epochs before `epoch` had been read; none if that has not come yet, or a
    /// file of it cannot be looked at any more. Earlier epochs are forgotten.
    pub(super) fn position(&self, epoch: u64) -> Option<Position> {
        let mut inner = self.lock();
        inner.begun = inner.begun.split_off(&epoch);
        let (_, &place) = inner.begun.first_key_value()?;
        let whole = inner.read[..place.file].to_vec();
        let known = inner.known.clone();
        let files: Vec<Found> = inner.files.iter().take(place.file + 1).cloned().collect();
        // The reader does not wait for files that are looked at.
        drop(inner);
        let mut positions = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let (bytes, lines) = whole.get(index).copied().unwrap_or((place.bytes, place.lines));
            let position = match known.get(&index) {
                Some(known) => known.clone(),
                None => FilePosition::note(file, bytes, lines)?,
            };
            if index < place.file {
                self.lock().known.insert(index, position.clone());
            }
            positions.push(position);
        }
        Some(Position { epoch, lines: place.line, files: positions })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
