//! The record of a state: the id of its output, and the settings on which the output depends.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Difference;
use crate::version::are_compatible;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The content of `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The version of this format.
    pub floodway_state: u32,
    /// The version of Floodway that began the output.
    pub version: String,
    /// The id of the output, as in its manifest.
    pub output: String,
    /// The number of runs that have begun.
    pub runs: u64,
    /// The settings on which the output depends, by option.
    pub settings: BTreeMap<String, String>,
    /// A fingerprint of the code that the last run had, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Record {
    /// Returns the settings that differ from those of the record.
    pub(super) fn differences(&self, settings: &BTreeMap<String, String>) -> Vec<Difference> {
        let options: BTreeSet<&String> = self.settings.keys().chain(settings.keys()).collect();
        let of = |option: &String| {
            let (was, is) = (self.settings.get(option).cloned(), settings.get(option).cloned());
            (was != is).then(|| Difference { option: option.clone(), was, is })
        };
        options.into_iter().filter_map(of).collect()
    }

    /// Whether `version` makes the same output.
    pub(super) fn is_of(&self, version: &str) -> bool {
        are_compatible(&self.version, version)
    }
}
