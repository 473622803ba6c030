//! What environments are made of, and what one comes to.

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
    /// A function in Rust, in modelled time.
    Threads(Threads),
    /// A process for each environment, in real time.
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

    /// What it says, if it says it as AWS's runtimes do; or else what kind it is.
    pub(super) fn message(&self) -> String {
        let parsed = serde_json::from_slice::<serde_json::Value>(&self.body);
        let message = parsed.as_ref().ok().and_then(|body| body["errorMessage"].as_str());
        message.map_or_else(|| self.error_type.clone(), str::to_owned)
    }

    /// An answer of so many bytes, which is too large.
    pub(super) fn too_large(bytes: usize) -> Self {
        let message = format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size \
             ({MAX_BODY} bytes)."
        );
        Failure::new(TOO_LARGE, &message)
    }
}

/// The kind of failure that an answer past the limit is.
pub(super) const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        let body = json!({
            "errorMessage": error.message, "errorType": error.error_type, "stackTrace": [],
        });
        Failure { error_type: error.error_type, body: body.to_string().into() }
    }
}

/// How an invocation ended, where that stands in its report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was answered, by the function's own error too.
    Answered,
    TimedOut,
    /// The process failed: the kind of failure.
    Failed(String),
}

/// What the function wrote to its standard output and error: the end of it.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// Before the invocation began: while the environment was started.
    pub before: Vec<u8>,
    pub during: Vec<u8>,
}

/// What an invocation came to in its environment.
pub(super) struct Execution {
    pub answer: Result<Bytes, Failure>,
    /// How long the environment took to start, if it was started for this.
    pub cold_start: Option<Duration>,
    pub duration: Duration,
    /// When it is over.
    pub end: Instant,
    /// The environment, if it is of further use.
    pub environment: Option<Environment>,
    pub used_mb: u32,
    pub status: Status,
    pub printed: Printed,
}
