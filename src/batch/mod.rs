//! Flat batches: many text records in one buffer, moved and split by ranges.
//!
//! A [`Batch`] is the container of Floodway's own dataflows: at most 500 records or 256 KiB, as one byte
//! buffer and one array of end offsets ([`Strings`]), with the records' numbers ([`Numbers`]) and the span of
//! time in which they were scheduled ([`Span`]). This module uses neither timely nor tokio: `operators` makes
//! a batch a timely container.
//!
//! [`Records`] is the interface of any batch of input, whether it is flat or a `Vec` of a user's own records.

mod chunks;
mod finite;
mod flat;
mod json;
mod json_batch;
mod numbers;
mod records;
mod span;
pub(crate) mod spare;
mod strings;

pub use chunks::{CHUNK_RECORDS, Chunks};
pub(crate) use finite::is_finite;
pub use flat::{Batch, Header};
pub use json::push_json_string;
pub use json_batch::JsonBatch;
pub use numbers::Numbers;
pub(crate) use records::describe_record;
pub use records::{EncodeError, Items, Records, TextRecord};
pub use span::{Nanos, Span};
pub use strings::Strings;

/// What a source sends along with an epoch for the commit of that epoch: how far the source has read, in a
/// format of its own. The sink hands it back and does not read it.
pub type Note = Vec<u8>;

/// Number of records that fill a batch. With records of 200 bytes, a batch, its results and their lines fit
/// into the second level of the cache together. A source ends a batch earlier when its time is over.
pub const BATCH_RECORDS: usize = 500;

/// Bytes of text that fill a batch, if it has fewer records than [`BATCH_RECORDS`].
pub const BATCH_BYTES: usize = 256 * 1024;
