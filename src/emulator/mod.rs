//! The local Lambda: a service that behaves like AWS's towards a client, without the cloud.
//!
//! It speaks real HTTP, with the Invoke path (`POST /2015-03-31/functions/floodway/invocations`)
//! and a function URL (`POST /`), and answers in AWS's shapes, the unpleasant ones too: 200 with
//! `X-Amz-Function-Error`, 429, 413, 404, 403, 400, 500, an answer that breaks off. One thing it does that
//! a function URL of AWS's does not: asked for the log's tail, it sends it there too, so that a run can say
//! what would have been billed.
//!
//! Its environments are of one of two kinds. A [`Function`] in Rust runs on threads of the server, in
//! modelled time. A [`Package`], in Python, Java or whatever is a program, runs in processes under AWS's
//! own runtime clients, one for each environment, in real time. All else is the same for both: the doors,
//! the limits, the network, the failures, the report.
//!
//! **Modelled time.** Two cores play many, so modelled time is not measured but computed: every instant of
//! an invocation follows from the one before by the [`Model`], not from when a thread woke up, and is
//! waited for on an absolute clock with a precision of tens of microseconds. Billed time is modelled
//! time plus the CPU time that the function's thread used.
//!
//! **Real time.** A process's cold start is its own, an invocation lasts from the hand-over of the event to
//! the answer, and both are billed. The network stays modelled: half of it before, half after.
//!
//! Knows the wire and the tasks; shares no code with the bridge, or it would share its bugs.

mod body_buffer;
mod body_reader;
mod date;
mod environments;
mod failures;
mod function;
mod http;
mod invocation;
mod model;
mod package;
mod process;
mod report;
mod responses;
mod runtime;
mod server;
mod sigv4;
mod stats;
mod threads;
mod timeout_stream;
mod timer;
mod url;

pub use function::{Builtin, Context, Function, FunctionError, Typed, function};
pub use model::{Model, ModelError};
pub use package::{Choices, Package, PackageError};
pub use process::StartError;
pub use server::{FUNCTION_NAME, Server, Setup};
pub use sigv4::Keys;
pub use stats::Stats;
