//! A state that an earlier version has left: `tests/golden/state` has one of each output. A run was killed in the
//! middle of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::pair::Pair;
use super::scenarios::TWO;

/// What a run leaves.
pub const LEFT: [&str; 3] = ["out", "state", "dead.jsonl"];

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state").join(name)
}

/// The state of an earlier version is resumed by this one.
pub fn resumed(pair: &mut Pair<'_>) -> usize {
    for left in LEFT {
        copy(&golden(pair.feature.output.name).join(left), &pair.place.path(left));
    }
    assert!(pair.is_part(), "it was killed in the middle");
    let args = pair.args();
    pair.run(&args, &TWO);
    pair.has_nothing_to_do(&args, &TWO);
    1
}

/// Copies a file or a folder, if it is there.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        if from.exists() {
            fs::copy(from, to).unwrap();
        }
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
