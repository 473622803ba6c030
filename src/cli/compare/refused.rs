//! The options of `run` that a comparison refuses.

use clap::Arg;

use crate::cli::given::Given;
use crate::cli::{UsageError, sink};

/// The reasons why options of `run` are refused.
const OWN_FILES: &str = "each run has its own, in the report's folder (--report DIR)";
const NO_OUTPUT: &str = "a comparison's runs write no output: the sink is null";
const NO_LIVE_VIEW: &str = "a comparison is several runs: use it with the command run";

/// The options of `run` that a comparison sets itself for each of its runs, or that it cannot have, and why.
/// The help does not list them.
const REFUSED: [(&str, &str); 13] = [
    ("--policy", "expected --policies, with commas between them"),
    ("--follow", "a file that grows has no end, and each policy reads the same input"),
    ("--shadow", "a comparison really sends"),
    ("--require-remote", "is for one run: a comparison says what each policy sent"),
    ("--summary", OWN_FILES),
    ("--series", OWN_FILES),
    ("--out", NO_OUTPUT),
    ("--sink", NO_OUTPUT),
    ("--state", NO_OUTPUT),
    ("--dead-letter", NO_OUTPUT),
    ("--listen", NO_LIVE_VIEW),
    ("--listen-after", NO_LIVE_VIEW),
    ("--allow-host", NO_LIVE_VIEW),
];

/// Hides an option of `run` in the help if a comparison refuses it.
pub(in crate::cli) fn hide_refused(argument: Arg) -> Arg {
    let is_refused =
        REFUSED.iter().any(|(option, _)| argument.get_long() == option.strip_prefix("--"));
    argument.hide(is_refused)
}

/// Refuses the options that a comparison does not take.
pub(super) fn refuse(given: &Given) -> Result<(), UsageError> {
    for (option, why) in REFUSED {
        // A comparison's sink is null anyway.
        let is_same = |value: &&str| (option, *value) == ("--sink", sink::NULL);
        if let Some(value) = given.typed(option).filter(|value| !is_same(value)) {
            return Err(UsageError::new(option, value, why));
        }
    }
    Ok(())
}
