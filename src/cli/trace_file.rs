//! `--shape trace:FILE`: reads the file once.
//!
//! What a shell substitutes for a process (`trace:<(cat rates.csv)`) is a pipe, which is empty when it is
//! read again. And the rates that a run uses must be those that are compared with the state's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::path_of;

/// The content of the files that were read, by name.
static CACHE: Mutex<BTreeMap<String, Arc<str>>> = Mutex::new(BTreeMap::new());

/// Returns the text of the file of this name.
pub(super) fn text(name: &str) -> io::Result<Arc<str>> {
    let mut read = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = read.get(name) {
        return Ok(Arc::clone(text));
    }
    let text: Arc<str> = fs::read_to_string(path_of(name))?.into();
    read.insert(name.to_owned(), Arc::clone(&text));
    Ok(text)
}

/// Returns the text of a trace that another process could not read again.
pub(super) fn text_of_pipe(name: &str) -> Option<Arc<str>> {
    let is_file = fs::metadata(path_of(name)).is_ok_and(|metadata| metadata.is_file());
    if is_file { None } else { text(name).ok() }
}
