//! The bridge sends batches to the remote side and hands results back, on one async thread per process.
//!
//! A worker hands over an `Arc` of a batch, a range and an id ([`WorkItem`]) through a channel, which costs
//! it less than a microsecond. The bridge's thread fills requests from the work items of all workers, writes
//! the JSON, sends it, checks the response, and hands the results back to each worker ([`Reply`]). It wakes a
//! worker at most once for many replies. A worker never waits for the bridge, and the bridge never waits for
//! a worker.
//!
//! **Every record of every work item is answered exactly once**, with its result or by being returned. This
//! holds by construction: dropping a work item returns the records that have no answer.
//!
//! **When a request is sent.** A full batch is sent at once. A partial batch waits at most
//! [`Settings::linger`], counted from its oldest work item, because a request costs about the same for one
//! record as for a thousand. While nothing is in flight it is sent at once: the records that arrive while
//! that request is in flight fill the next one. Batches are cut when they are sent, so they continue to fill
//! while the limit on requests in flight holds them back.
//!
//! **How many are in flight** follows what the stream needs by Little's law, and what the service refuses:
//! [`limiter`]. Work items that would wait for long are not accepted ([`Offer::room`]) and stay with
//! their workers.
//!
//! **What is retried.** A throttle (status 429, the function did not run), a server error, a broken
//! connection, a timeout and an invalid response are retried at most [`Settings::attempts`] times. Retries
//! are limited by a budget and delayed with full jitter, and are made only while the response could arrive
//! before the worker would compute the records itself. A request that is too large is halved. After any other
//! failure the records are returned at once. Redirects are not followed, because the user's data would be
//! sent elsewhere.
//!
//! **Late records** are computed by their workers first: a worker with nothing else to do takes records out
//! of a work item that the bridge has ([`PendingRanges`]). Whoever takes a record computes its result, so the
//! first one wins and no result is emitted twice. Where the workers are too busy, the request is sent a
//! second time (a hedge), within a small budget.
//!
//! **When requests keep failing**, the [`breaker`] opens, all records are returned, and an empty request from
//! time to time finds out whether the remote side has recovered. `docs/bridge.md` has the details.

mod admission;
mod attempt;
mod backoff;
mod batch_size;
mod body;
mod body_memory;
pub mod breaker;
mod connection_pool;
mod connector;
pub(crate) mod core;
mod cost_budget;
mod driver;
mod endpoint;
mod environments;
mod error;
mod failure;
mod failure_rate;
mod handle;
mod health;
mod http_client;
mod in_flight;
#[cfg(test)]
#[cfg(feature = "_interleavings")]
mod interleavings;
mod latency;
pub mod limiter;
mod local_load;
#[cfg(test)]
pub(crate) mod modelled;
mod offer;
mod pending_ranges;
mod proxy;
mod rate_limit;
mod redact;
mod remote_task;
mod reply;
mod request;
mod request_body;
mod retry_budget;
mod settings;
mod shared;
mod task_channel;
mod timing;
mod validated_response;
mod wire_timer;
mod work_item;

pub use crate::counters::Counters;
pub(crate) use admission::Admission;
pub(crate) use attempt::{billed, log};
pub(crate) use backoff::delay;
pub(crate) use cost_budget::Budget;
pub use cost_budget::CostLimits;
pub use endpoint::{Auth, Endpoint, EndpointError};
pub use error::BridgeError;
pub use failure::Failure;
pub use handle::{Bridge, BridgeStatus};
pub(crate) use http_client::{HttpClient, HttpError, HttpResponse, connection_failure};
pub(crate) use in_flight::{AttemptOutcome, InFlightAttempt};
pub use local_load::LocalLoad;
pub use offer::Offer;
pub use pending_ranges::PendingRanges;
pub use proxy::ProxyError;
#[cfg(test)]
pub(crate) use rate_limit::WINDOW as RATE_WINDOW;
pub use remote_task::{ClosedError, RemoteTask};
pub use reply::{Outcome, Reply, ReplyReceiver, ReplySender, reply_channel};
pub use settings::{Settings, SettingsError};
pub(crate) use validated_response::ValidatedResponse;
pub use work_item::WorkItem;
