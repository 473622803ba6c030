//! The options of `run` that another command refuses, which has the options of `run` otherwise.

use clap::Arg;

use super::given::Given;
use super::{UsageError, sink};

/// The options that a command sets itself, or that it cannot have, and why. Its help does not list them.
pub(super) struct Refused(pub &'static [(&'static str, &'static str)]);

/// The reasons why a comparison refuses options.
const OWN_FILES: &str = "each run has its own, in the report's folder (--report DIR)";
const NO_OUTPUT: &str = "a comparison's runs write no output: the sink is null";
const NO_LIVE_VIEW: &str = "a comparison is several runs: use it with the command run";

/// What `compare` refuses.
pub(super) const COMPARE: Refused = Refused(&[
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
]);

/// The reasons why an explanation refuses options.
const NOTHING_WRITTEN: &str = "an explanation writes no output: the sink is null";
const NO_FIGURES: &str = "is for a run: an explanation prints its figures, with --json as JSON";
const TOO_SHORT: &str = "is for a run: an explanation is short";

/// What `explain` refuses.
pub(super) const EXPLAIN: Refused = Refused(&[
    ("--out", NOTHING_WRITTEN),
    ("--sink", NOTHING_WRITTEN),
    ("--overwrite", NOTHING_WRITTEN),
    ("--state", NOTHING_WRITTEN),
    ("--dead-letter", NOTHING_WRITTEN),
    ("--summary", NO_FIGURES),
    ("--series", NO_FIGURES),
    ("--shadow", "is for a run: an explanation says what sending would buy"),
    ("--require-remote", "is for a run: an explanation says what was sent"),
    ("--listen", TOO_SHORT),
    ("--listen-after", TOO_SHORT),
    ("--allow-host", TOO_SHORT),
]);

impl Refused {
    /// Hides an option in the help if it is refused.
    pub(super) fn hide(&self, argument: Arg) -> Arg {
        let is_refused =
            self.0.iter().any(|(option, _)| argument.get_long() == option.strip_prefix("--"));
        argument.hide(is_refused)
    }

    /// Checks that no such option is typed.
    ///
    /// # Errors
    /// If one is.
    pub(super) fn check(&self, given: &Given) -> Result<(), UsageError> {
        for &(option, why) in self.0 {
            // Where the sink is refused, it is null anyway.
            let is_same = |value: &&str| (option, *value) == ("--sink", sink::NULL);
            if let Some(value) = given.typed(option).filter(|value| !is_same(value)) {
                return Err(UsageError::new(option, value, why));
            }
        }
        Ok(())
    }
}
