//! The record: whose output it is, and what that depends on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Difference;

/// The version of its format.
pub(super) const VERSION: u32 = 1;

/// What stands in `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The version of this format.
    pub floodway_state: u32,
    /// The version of Floodway that began the output.
    pub version: String,
    /// The id in the output's manifest.
    pub output: String,
    /// Runs that were begun.
    pub runs: u64,
    /// What the output depends on, by option.
    pub settings: BTreeMap<String, String>,
}

impl Record {
    /// Where `settings` are not those of the record.
    pub(super) fn differences(&self, settings: &BTreeMap<String, String>) -> Vec<Difference> {
        let options: BTreeSet<&String> = self.settings.keys().chain(settings.keys()).collect();
        let of = |option: &String| {
            let (was, is) = (self.settings.get(option).cloned(), settings.get(option).cloned());
            (was != is).then(|| Difference { option: option.clone(), was, is })
        };
        options.into_iter().filter_map(of).collect()
    }

    /// Whether `version` makes the same output: what comes after the first number that is not 0 may
    /// differ.
    pub(super) fn is_of(&self, version: &str) -> bool {
        compatible(&self.version) == compatible(version)
    }
}

/// The part of a version that stands for what it does.
fn compatible(version: &str) -> &str {
    let end = version.match_indices('.').find(|(at, _)| version[..*at].contains(|c| c > '0'));
    end.map_or(version, |(at, _)| &version[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_make_the_same_output() {
        let versions = ["1.2.3", "0.1.0", "0.1.9", "0.0.3", "10.0.1", "odd"];
        assert_eq!(versions.map(compatible), ["1", "0.1", "0.1", "0.0.3", "10", "odd"]);
    }
}
