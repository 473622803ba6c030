//! The record of a state.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use floodway::internal::state::{State, StateError};
use serde::Deserialize;

use super::in_folder;
use crate::engine::Target;

pub fn target() -> Target {
    let words = [
        "\"floodway_state\":",
        "\"version\":",
        "\"0.1.0\"",
        "\"0.2.0\"",
        "\"1.0.0\"",
        "\"0\"",
        "\"\"",
        "\"output\":",
        "\"runs\":",
        "\"settings\":",
        "\"--seed\":\"1\"",
        "\"--rate\":",
        "\\ud800",
        "\u{e9}",
    ];
    let check =
        in_folder(|folder, bytes| check(folder, bytes).replace(&*folder.to_string_lossy(), ""));
    Target::json("state", &words, check)
}

#[derive(Default, Deserialize)]
struct Asked {
    version: String,
    settings: BTreeMap<String, String>,
}

fn check(folder: &Path, bytes: &[u8]) -> String {
    let path = folder.join("state.json");
    fs::write(&path, bytes).unwrap();
    // Asked for by the command that it says it is of, where it says so.
    let asked: Option<Asked> = serde_json::from_slice(bytes).ok();
    let is_json = asked.is_some();
    let Asked { version, settings } = asked.unwrap_or_default();
    let open = |settings| State::open(folder, &version, settings, || panic!("it is not new"));
    let mut state = match open(&settings) {
        Ok(state) => state,
        Err(error) => {
            assert!(matches!(error, StateError::Broken { .. }), "{error}");
            assert_eq!(State::output_in(folder), None);
            assert!(fs::read(&path).unwrap() == bytes, "it was written to");
            return error.to_string();
        }
    };
    assert!(is_json && !state.is_new(), "what is no JSON was taken for a state");
    assert_eq!(State::output_in(folder).as_deref(), Some(state.output()));
    let output = state.output().to_owned();
    assert!(matches!(open(&settings), Err(StateError::Locked)));
    let runs = state.begin().unwrap();
    assert!(runs > 0, "this run was not counted");
    drop(state);
    // Written, it reads the same.
    let again = open(&settings).unwrap();
    assert_eq!(again.output(), output);
    drop(again);
    let mut other = settings.clone();
    other.insert("--seed".to_owned(), "another".to_owned());
    let refused = other != settings;
    match open(&other) {
        Ok(_) => assert!(!refused, "a state of other settings was taken"),
        Err(error) => assert!(matches!(error, StateError::Differs(all) if all.len() == 1)),
    }
    "a state".to_owned()
}
