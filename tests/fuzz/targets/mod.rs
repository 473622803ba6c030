//! The formats, a file each; `config` and `cut` are modules of what they try.

pub mod keyed_state;
pub mod manifest;
pub mod position;
pub mod state;
pub mod trace;
pub mod wire;

use std::path::Path;

use tempfile::TempDir;

/// A folder in memory, where there is one: the targets that need files write thousands a second.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// A check that has a folder of its own.
pub fn in_folder(check: impl Fn(&Path, &[u8]) -> String) -> impl FnMut(&[u8]) -> String {
    let place = folder();
    move |bytes| check(place.path(), bytes)
}
