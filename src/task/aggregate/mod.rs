//! Partial aggregates: a task that makes rows of keys and values of its records, and merges the values of each key before
//! they travel.
//!
//! The records of a [chunk](crate::batch::Chunks) are combined, so that a chunk's result is a few rows. A worker combines
//! all chunks that it computes at once. Rows of one key may therefore come several times, and whoever holds the state of
//! the key merges them. Who combined what does not show in the sum, because a [merge](crate::merge::Merge) is exact.
//!
//! On the wire, record `i` of a request is the array of the records of a chunk. Its result is the array of its rows,
//! `[[key,value],...]`. If the function refuses records of the chunk, it is `{"rows":[[key,value],...],
//! "bad":[[position,"code"],...]}`, with the rows of all other records and positions from 0. The worker then computes what
//! was refused.

mod answers;
mod partials;
mod rows;
mod shrinkage;
mod task;

pub use answers::PartialAnswers;
pub use partials::Partials;
pub use rows::Rows;
pub use task::{Aggregate, aggregate, aggregate_text};
