//! The wire: one JSON object each way, the same in Rust, Python and Java.
//!
//! ```text
//! request {"v":1,"task":"words","records":["text", ...]}            and maybe "work_us":12.5
//! answer  {"v":1,"task":"words","results":["tok tok", ...],"ids":[0,1, ...],
//!          "errors":[{"id":3,"code":"..."}]}                        and maybe "version","cold"
//! ```
//! Ids are positions in the request; `results[i]` answers record `ids[i]`; every id stands in
//! `ids` or in `errors` exactly once, or the answer is refused ([`Answer::check`]).
//! Knows neither timely nor tokio nor HTTP.

mod answer;
mod request;
mod slots;

pub use answer::{Answer, Refused, RemoteError, answer_strings, answer_values};
pub use request::{Request, RequestBody};
pub use slots::Slots;

/// The wire's version.
pub const VERSION: u32 = 1;

/// AWS Lambda's limit on a request's and on an answer's body, in bytes.
pub const MAX_BODY: usize = 6 * 1024 * 1024;
