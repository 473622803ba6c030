//! The bridge: batches to the remote side and results back, on one async thread a process.
//!
//! Workers hand over an `Arc` of a batch, a range and an id ([`WorkItem`]) through a channel, which
//! costs them less than a microsecond, and go on. The bridge's thread fills requests from all
//! workers' parts, writes the JSON, sends it, checks the answer and hands each part's results back
//! to its worker ([`Reply`]), waking it at most once for many replies. No worker ever waits for
//! it, and it never waits for a worker.
//!
//! **Every record of every part is answered exactly once**, with its result or by coming home, by
//! construction: a part that is dropped unanswered, for whatever reason, comes home.
//!
//! **When a request goes.** A batch that is full goes at once. One that is not waits at most
//! [`Settings::linger`], counted from its oldest part, because a request costs the same for one
//! record as for a thousand; but while nothing is in flight it goes at once, because then nothing
//! is saved by waiting that the rate would not bring by itself: the parts that come while that one
//! is away fill the next. Batches are cut when they are sent, not before, so they go on filling
//! while the limit on what is in flight holds them back.
//!
//! **How many are in flight** follows what the stream needs by Little's law and what the service
//! refuses: [`limiter`]. Parts that would wait for long are not taken
//! ([`RemoteTask::room`]): they are better off with their workers.
//!
//! **What is tried again.** A throttle (429, it did not run), a server's error, a broken
//! connection, a time-out and an answer that cannot be believed: at most [`Settings::attempts`]
//! times, within a budget, with full jitter between, and only while its answer could still be there
//! before the work would be done at home. A request that is too large is halved. Everything else
//! comes home at once. Redirects are not followed: they would be sent the user's data.
//!
//! **What is late** is done at home first: a worker with nothing else to do takes records out of a
//! part that is with the bridge ([`PendingRanges`]); whoever takes a record out of it makes its result, so
//! the first one wins and nothing is done twice. Where the workers are too busy the request is sent
//! a second time, within a small budget.
//!
//! **When nothing goes well** the [`breaker`] opens, everything comes home, and an empty request
//! now and then finds out when that has changed. `docs/bridge.md` has the whole of it.

mod admission;
mod attempt;
mod backoff;
mod batch_size;
mod batcher;
mod body_memory;
pub mod breaker;
mod connection_pool;
mod connector;
mod cost_budget;
mod counters;
mod endpoint;
mod environments;
mod failure;
mod failure_rate;
mod handle;
mod health;
mod http_client;
mod latency;
mod latency_estimate;
pub mod limiter;
mod local_load;
mod pending_ranges;
mod probe;
mod proxy;
mod reply;
mod request;
mod request_body;
mod retry;
mod retry_budget;
mod settings;
mod shared;
mod timing;
mod work_item;

pub(crate) use admission::{Admission, AttemptOutcome, InFlightAttempt, abandon_after};
pub(crate) use attempt::{billed, report};
pub(crate) use backoff::delay;
pub use cost_budget::CostLimits;
pub use counters::Counters;
pub use endpoint::{Auth, Endpoint, EndpointError};
pub use failure::Failure;
pub use handle::{Bridge, BridgeError, BridgeStatus, ClosedError, RemoteTask};
pub(crate) use http_client::{HttpClient, HttpError, HttpResponse, connection_failure};
pub(crate) use latency_estimate::LatencyEstimate;
pub use local_load::LocalLoad;
pub use pending_ranges::PendingRanges;
pub use reply::{Outcome, Reply, ReplyReceiver, ReplySender, reply_channel};
pub use settings::{Settings, SettingsError};
pub use work_item::WorkItem;
