//! Why an event has no answer, and what to do.

use floodway::task::NAMES;
use floodway::wire::{VERSION, refuse_url_event};

/// The function's version.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// An event that is not answered. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not JSON, or not of a request's form.
    #[error("the event is not a request: {0}")]
    Event(#[from] serde_json::Error),
    /// Something else, such as a test event of the console.
    #[error(
        "the event is not a request: expected \
         {{\"v\":1,\"task\":\"words\",\"records\":[\"text\", ...]}}"
    )]
    NoRequest,
    /// A request without records.
    #[error("the request has no array \"records\": send one, empty if need be")]
    NoRecords,
    /// A function URL that was called without a request.
    #[error("the HTTP request has no body: POST a request of floodway's to this URL")]
    NoBody,
    /// A function URL's body that is not what its event says.
    #[error("the body is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A function URL's body that is not text.
    #[error("the body is not UTF-8: POST a request of floodway's to this URL")]
    NotUtf8,
    /// A function URL's body that is not JSON, or not of a request's form.
    #[error("the body is not a request: {0}")]
    Body(#[source] serde_json::Error),
    /// A request of another version of the wire.
    #[error(
        "version {0} of the wire is not version {VERSION}, which this function ({OWN}) speaks: \
         deploy the function that came with the floodway that calls it"
    )]
    Version(String),
    /// A task that is not there.
    #[error(
        "there is no task {0} in this function ({OWN}, Rust), which has {names}: call one that has \
         it, or ask for one of these with --task", names = NAMES.join(", ")
    )]
    Task(String),
}

impl Refused {
    /// What AWS calls the error's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Refused::Version(_) | Refused::Task(_) => "InvalidRequest",
            _ => "InvalidEvent",
        }
    }

    /// The response to a function URL's caller, to whom a function that fails is a bare 502.
    pub(crate) fn response(&self) -> String {
        refuse_url_event(self.kind(), &self.to_string())
    }
}
