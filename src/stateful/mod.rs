//! Stateful operators: windows and aggregates by key, which survive the end of a run.
//!
//! Rows `((key, event time), value)` are exchanged by key. A worker holds the keys of its shards in a
//! `Store`. It merges the rows of an epoch when the frontier has passed the epoch, because only
//! then all of them are there, and so is what all workers say of its event times. So the state after an epoch, and what
//! the epoch makes final, depend on the input alone.
//!
//! What was merged in a commit group is written to the sink's files of state (`state_file`) before
//! the group's end, and takes effect with its commit. A run that resumes reads them before it merges anything else.

mod collection;
mod event_time;
mod keyed;
mod keyed_state;
mod merge_rows;
mod restore;
mod row_size;
mod state_log;
#[cfg(test)]
mod stored_tests;
mod stream;

pub(crate) use collection::collection_of;
pub use event_time::EventTimes;
pub(crate) use event_time::event_times;
pub(crate) use keyed::{Keyed, KeyedRow};
pub(crate) use keyed_state::{StateContext, StateLimit};
pub(crate) use restore::StoredState;
pub use stream::{EventTimesExt, Key, Value, WindowExt, Windowed};
pub(crate) use stream::{StateStage, of_store, totals_of, windows_of};
