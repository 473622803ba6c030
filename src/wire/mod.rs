//! The wire format: one JSON object in each direction, the same for Rust, Python and Java.
//!
//! ```text
//! request {"v":1,"task":"words","records":["text", ...]}            and maybe "work_us":12.5
//! answer  {"v":1,"task":"words","results":["tok tok", ...],"ids":[0,1, ...],
//!          "errors":[{"id":3,"code":"..."}]}                        and maybe "version","cold"
//! ```
//! Ids are positions in the request, and `results[i]` is the result of record `ids[i]`. Every id is in `ids`
//! or in `errors` exactly once; otherwise the answer is refused ([`Answer::check`]). This module uses neither
//! timely nor tokio nor HTTP.

mod answer;
mod request;
mod slots;

pub use answer::{Answer, Refused, RemoteError, answer_strings, answer_values, refuse_url_event};
pub use request::{Request, RequestBody};
pub use slots::Slots;

/// Version of the wire format.
pub const VERSION: u32 = 1;

/// AWS Lambda's limit on the body of a request and of an answer, in bytes.
pub const MAX_BODY: usize = 6 * 1024 * 1024;
