//! The local Lambda: a service that behaves like AWS's towards a client, without the cloud.
//!
//! It speaks real HTTP, with the Invoke path (`POST /2015-03-31/functions/floodway/invocations`)
//! and a function URL (`POST /`), and answers in AWS's shapes, the unpleasant ones too: 200 with
//! `X-Amz-Function-Error`, 429, 413, 404, 400, 500, an answer that breaks off. What it takes to get
//! there is a [`Model`]: a network, cold starts, a number of environments. Its functions run on
//! threads of its own. One thing it does that a function URL of AWS's does not: asked for the log's
//! tail, it sends it there too, so that a run can say what would have been billed.
//!
//! **Time.** Two cores play many, so modelled time is not measured but computed: every instant of
//! an invocation follows from the one before by the model, not from when a thread woke up, and is
//! waited for on an absolute clock with a precision of tens of microseconds. Billed time is modelled
//! time plus the CPU time that the function's thread used.
//!
//! Knows the wire and the tasks; shares no code with the bridge, or it would share its bugs.

mod environments;
mod failures;
mod function;
mod http;
mod invocation;
mod model;
mod server;
mod stats;
mod threads;
mod timer;

pub use function::{Builtin, Context, Function, FunctionError, Typed, function};
pub use model::{Model, ModelError};
pub use server::{FUNCTION_NAME, Server};
pub use stats::Stats;
