//! Whether the function works at all, and what is said of a record that it fails for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::emulator::{InvokeError, InvokeErrorKind};
use crate::task::Code;

/// How often a record fails alone, each time in another process, before it is bad.
pub(super) const TRIES: usize = 3;

/// The records for which a function fails before the run does, if it has never answered.
const MOST: usize = 100;

/// The same if it does not answer in time, which takes long.
const MOST_TIMEOUTS: usize = 3;

/// What is known of the function. All processes of a pool share it.
#[derive(Debug, Default)]
pub(super) struct Trust {
    has_answered: AtomicBool,
    failed: AtomicUsize,
    has_warned: AtomicBool,
    /// The processes that have ended by themselves, or were killed.
    ended: AtomicUsize,
    /// When this was last said.
    said: Mutex<Option<Instant>>,
}

impl Trust {
    /// Notes an answer.
    pub(super) fn answered(&self) {
        self.has_answered.store(true, Relaxed);
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Relaxed)
    }

    /// Logs a record that is bad, the first time.
    pub(super) fn warn_once(&self, record: &str, code: &Code) {
        if !self.has_warned.swap(true, Relaxed) {
            tracing::warn!(
                "{record} is a bad record, as later ones may be: the function failed for it alone, {TRIES} times: {code}"
            );
        }
    }

    /// Notes that a process has ended. Says so, but not more often than every ten seconds.
    pub(super) fn ended(&self, failure: &InvokeError) {
        const INTERVAL: Duration = Duration::from_secs(10);
        let ended = self.ended.fetch_add(1, Relaxed) + 1;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| said.elapsed() >= INTERVAL) {
            *said = Some(Instant::now());
            let (processes, was) = match ended {
                1 => ("process", "was"),
                _ => ("processes", "were"),
            };
            tracing::warn!(
                "{ended} {processes} of the function ended while it computed, and {was} started again; the last one \
                 said: {}",
                failure.message
            );
        }
    }

    /// Notes a record for which a function that has never answered failed. Returns whether it fails for everything.
    pub(super) fn failed(&self, failure: &InvokeError) -> bool {
        let weight = match failure.kind {
            InvokeErrorKind::TimedOut => MOST.div_ceil(MOST_TIMEOUTS),
            InvokeErrorKind::Raised | InvokeErrorKind::Exited => 1,
        };
        self.failed.fetch_add(weight, Relaxed) + weight >= MOST
    }
}

/// Returns the code of a record for which the function fails, with what the function says.
pub(super) fn code(failure: &InvokeError) -> Code {
    let code = match failure.kind {
        InvokeErrorKind::Raised => "function_error",
        InvokeErrorKind::Exited => "function_exit",
        InvokeErrorKind::TimedOut => "function_timeout",
    };
    Code::with_message(code, &failure.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_never_answers_fails_for_everything_after_100_records_or_3_timeouts() {
        let raised = InvokeError { kind: InvokeErrorKind::Raised, message: "no".to_owned() };
        let trust = Trust::default();
        assert_eq!((0..200).position(|_| trust.failed(&raised)), Some(99));
        let late = InvokeError { kind: InvokeErrorKind::TimedOut, ..raised };
        let trust = Trust::default();
        assert_eq!((0..9).position(|_| trust.failed(&late)), Some(2));
    }

    #[test]
    fn a_verdict_has_the_functions_message_in_one_line() {
        let message = "KeyError: 'price'\n  in handler".to_owned();
        let code = code(&InvokeError { kind: InvokeErrorKind::Raised, message });
        assert_eq!(code.name(), "function_error");
        assert_eq!(code.message(), Some("KeyError: 'price'   in handler"));
    }
}
