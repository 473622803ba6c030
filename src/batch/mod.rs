//! Flat batches: many text records in one buffer, moved and cut by ranges.
//!
//! A [`Batch`] is what flows through Floodway's own dataflows: at most 500 records or
//! 256 KiB, as one byte buffer and one array of end offsets ([`Strings`]), with the records'
//! numbers ([`Numbers`]) and the span of time in which they were scheduled ([`Span`]).
//! Nothing here knows timely or tokio: `operators` makes a batch a timely container.
//!
//! [`Records`] is what the rest asks of any batch of input, a flat one or a `Vec` of a user's own
//! records.

mod flat;
mod json;
mod numbers;
mod records;
mod span;
pub(crate) mod spare;
mod strings;

pub use flat::Batch;
pub use json::push_json_string;
pub use numbers::Numbers;
pub use records::{EncodeError, Records, TextRecord};
pub use span::{Nanos, Span};
pub use strings::Strings;

/// Records a batch is filled to, where time does not end it first: of 200 bytes each, so few that
/// a batch, its results and their lines are in the second level of the cache together.
pub const BATCH_RECORDS: usize = 500;

/// Bytes of text a batch is filled to, where records do not end it first.
pub const BATCH_BYTES: usize = 256 * 1024;
