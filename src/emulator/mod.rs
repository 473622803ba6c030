//! The local Lambda: a service that behaves like AWS Lambda towards a client, without the cloud.
//!
//! It serves HTTP with the Invoke path (`POST /2015-03-31/functions/floodway/invocations`) and a function URL
//! (`POST /`). It answers in AWS's formats, including the failures: status 200 with `X-Amz-Function-Error`,
//! 429, 413, 404, 403, 400, 500, and a response that breaks off. In one respect it differs from a function
//! URL of AWS: it also sends the end of the log there if a request asks for it, so that a run can report what
//! would have been billed.
//!
//! There are two kinds of environments. A [`Function`] in Rust runs on threads of the server, in modelled
//! time. A [`Package`] in Python, Java or Node.js, or as any other program runs in processes under AWS's own runtime
//! clients (for Node.js, one of Floodway's own), one process per environment, in real time. Everything else is the same for both: the routes, the
//! limits, the network, the failures and the report.
//!
//! **Modelled time.** Two cores stand for many, so modelled time is computed and not measured. The [`Model`]
//! computes every instant of an invocation from the instant before, independently of when a thread woke up. A
//! thread waits for an instant on an absolute clock, with a precision of tens of microseconds. The billed
//! time is the modelled time plus the CPU time that the function's thread used.
//!
//! **Real time.** The cold start of a process is real. An invocation lasts from the hand-over of the event to
//! the answer. Both are billed. The network is modelled: half of it before, half after.
//!
//! This module uses the wire format and the tasks. It shares no code with the bridge, because a fault in
//! shared code would go unnoticed.

mod aggregate;
mod body_buffer;
mod body_reader;
mod date;
mod environments;
mod failures;
mod function;
mod function_processes;
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

pub use function::{Builtin, ByTask, Context, Function, FunctionError, Typed, Versioned, function};
pub(crate) use function_processes::{
    FunctionProcess, FunctionProcesses, InvokeError, InvokeErrorKind,
};
pub use model::{Model, ModelError};
pub(crate) use package::task_name;
pub use package::{Choices, Package, PackageError};
pub use process::StartError;
pub use server::{FUNCTION_NAME, Server, Setup};
pub use sigv4::Keys;
pub use stats::Stats;
