//! What runs a function, and the result of one execution.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::FunctionError;
use super::environments::Environment;
use super::process::Processes;
use super::threads::Threads;
use crate::wire::MAX_BODY;

/// What runs the function.
pub(super) enum FunctionRuntime {
    /// A function in Rust, on threads, in modelled time.
    Threads(Threads),
    /// A function folder, with a process for each environment, in real time.
    Processes(Box<Processes>),
}

/// A failure of the function, as its client reads it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub error_type: String,
    pub body: Bytes,
}

impl Failure {
    pub(super) fn new(error_type: &str, message: &str) -> Self {
        let body = json!({ "errorType": error_type, "errorMessage": message });
        Failure { error_type: error_type.to_owned(), body: body.to_string().into() }
    }

    /// Returns the message of the failure, or else its kind.
    pub(super) fn message(&self) -> String {
        let parsed = serde_json::from_slice::<serde_json::Value>(&self.body);
        let message = parsed.as_ref().ok().and_then(|body| body["errorMessage"].as_str());
        message.map_or_else(|| self.error_type.clone(), str::to_owned)
    }

    /// Returns the kind of failure that the function itself names.
    pub(super) fn kind(&self) -> String {
        let parsed = serde_json::from_slice::<serde_json::Value>(&self.body);
        let kind = parsed.as_ref().ok().and_then(|body| body["errorType"].as_str());
        kind.map_or_else(|| self.error_type.clone(), str::to_owned)
    }

    /// Returns the failure of a response of `bytes` bytes, which is too large.
    pub(super) fn too_large(bytes: usize) -> Self {
        let message = format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size \
             ({MAX_BODY} bytes)."
        );
        Failure::new(TOO_LARGE, &message)
    }
}

/// The kind of failure of a response that is too large.
pub(super) const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        let body = json!({
            "errorMessage": error.message, "errorType": error.error_type, "stackTrace": [],
        });
        Failure { error_type: error.error_type, body: body.to_string().into() }
    }
}

/// The status of an invocation in its report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The function answered, perhaps with an error of its own.
    Answered,
    TimedOut,
    /// The process failed with this kind of failure.
    Failed(String),
}

/// The end of what the function wrote to its standard output and error.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// Output while the environment was started.
    pub before: Vec<u8>,
    pub during: Vec<u8>,
}

/// The result of an execution in an environment.
pub(super) struct Execution {
    pub answer: Result<Bytes, Failure>,
    /// The time of the cold start, if there was one.
    pub cold_start: Option<Duration>,
    pub duration: Duration,
    /// The instant at which the execution ends.
    pub end: Instant,
    /// The environment, if it can be used again.
    pub environment: Option<Environment>,
    pub used_mb: u32,
    pub status: Status,
    pub printed: Printed,
}
