//! Windows of event time, and what they hold of each key. Pure: no clock, no timely, no files.
//!
//! A record has an event time, in milliseconds since 1970. A window holds the values of a key that lie in it, merged, until
//! the *event-time frontier* passes its end: then no record of the window can come any more, and it closes, once.
//! [`Windows`] says which windows there are; the stores hold them.

mod differences;
mod event_frontier;
mod key_map;
#[cfg(test)]
mod model_tests;
mod panes;
mod sessions;
mod store;
mod total;
mod windows;

use serde::{Deserialize, Serialize};

pub(crate) use differences::{Difference, Differences};
pub use event_frontier::Lateness;
pub(crate) use event_frontier::{EventFrontier, Times};
pub(crate) use key_map::{KeyMap, SHARDS, shard};
pub(crate) use panes::Panes;
pub(crate) use sessions::Sessions;
pub(crate) use store::{Apply, Change, Row, Store, Update};
pub(crate) use total::Totals;
pub(crate) use windows::Kind;
pub use windows::{WindowError, Windows};

/// What a window holds of a key when it closes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window<K, V> {
    /// The first event time of the window, in milliseconds since 1970. Of a session, that of its first record.
    pub start: i64,
    /// The first event time after the window. Of a session, that of its last record plus the gap.
    pub end: i64,
    /// The key.
    pub key: K,
    /// The values of the key in the window, merged.
    pub value: V,
}
