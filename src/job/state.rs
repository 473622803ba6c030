//! Stages with state: windows and totals by key.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::ExchangeData;
use timely::dataflow::Stream;
use timely::dataflow::operators::vec::Map as _;

use super::Job;
use crate::merge::Merge;
use crate::stateful::{EventTimes, Keyed, event_times, keyed, merge_rows};
use crate::window::{Change, Kind, Lateness, Panes, Sessions, Store, Totals, Window, Windows};

/// A key of state: it is hashed, sent to its worker, and stored.
pub trait Key: ExchangeData + Clone + Eq + Hash + Serialize + DeserializeOwned {}

impl<K: ExchangeData + Clone + Eq + Hash + Serialize + DeserializeOwned> Key for K {}

/// A value of state: what is known of a key merges, is sent, and is stored.
pub trait Value: ExchangeData + Clone + Merge + PartialEq + Serialize + DeserializeOwned {}

impl<V: ExchangeData + Clone + Merge + PartialEq + Serialize + DeserializeOwned> Value for V {}

/// What windows emit.
pub struct Windowed<'scope, K, V> {
    /// What each window holds of each key when it closes, in the epoch in which it closes. Each once.
    pub results: Stream<'scope, u64, Vec<Window<K, V>>>,
    /// The rows that are in no window, because they came after it had closed, or because their event time is too far
    /// ahead to be believed.
    pub late: Stream<'scope, u64, Vec<((K, i64), V)>>,
}

/// What a stage with state emits, and the rows that were late.
type Streams<'scope, S> = (
    Stream<'scope, u64, Vec<<S as Store>::Out>>,
    Stream<'scope, u64, Vec<((<S as Store>::Key, i64), <S as Store>::Value)>>,
);

impl<'scope> Job<'scope> {
    /// Reads the event times of records, by which windows close, and passes the records on. `time` returns the event
    /// time of a record in milliseconds since 1970.
    pub fn event_times<T: Clone + 'static>(
        &mut self,
        records: Stream<'scope, u64, Vec<T>>,
        lateness: Lateness,
        mut time: impl FnMut(&T) -> i64 + 'static,
    ) -> (Stream<'scope, u64, Vec<T>>, EventTimes<'scope>) {
        event_times(records, lateness, move |records: &Vec<T>, each| {
            records.iter().for_each(|record| each(time(record)));
        })
    }

    /// Adds a stage that merges the values of each key in windows of event time. A row is a key with an event time, in
    /// milliseconds since 1970, and a value. All workers of all processes share the keys between them.
    ///
    /// The state is part of the run's state: a run that resumes goes on with it.
    pub fn windows<K: Key, V: Value>(
        &mut self,
        name: &str,
        rows: Stream<'scope, u64, Vec<((K, i64), V)>>,
        times: &EventTimes<'scope>,
        windows: Windows,
    ) -> Windowed<'scope, K, V> {
        let (times, identity) = (Some(times.clone()), windows.identity());
        let (results, late) = match windows.0 {
            Kind::Fixed { size, slide } => {
                self.keyed(name, rows, times, move || Panes::new(size, slide), &identity)
            }
            Kind::Session { gap } => {
                self.keyed(name, rows, times, move || Sessions::new(gap), &identity)
            }
        };
        Windowed { results, late }
    }

    /// Adds a stage that merges the values of each key, and emits at the end of each epoch how the values have changed:
    /// what a key had is taken back (-1), and what it has is added (+1). [`Job::changes`] commits such changes.
    ///
    /// The state is part of the run's state: a run that resumes goes on with it.
    pub fn totals<K: Key, V: Value>(
        &mut self,
        name: &str,
        rows: Stream<'scope, u64, Vec<(K, V)>>,
    ) -> Stream<'scope, u64, Vec<Change<K, V>>> {
        let rows = rows.map(|(key, value)| ((key, 0), value));
        self.keyed(name, rows, None, Totals::default, "totals").0
    }

    fn keyed<S: Store>(
        &mut self,
        name: &str,
        rows: Stream<'scope, u64, Vec<((S::Key, i64), S::Value)>>,
        times: Option<EventTimes<'scope>>,
        store: impl Fn() -> S + Send + Sync + 'static,
        identity: &str,
    ) -> Streams<'scope, S>
    where
        S::Key: ExchangeData,
        S::Value: ExchangeData,
    {
        self.take_name(name);
        let types = [std::any::type_name::<S::Key>(), std::any::type_name::<S::Value>()];
        self.host.declare_state(format!("{name}: {identity}, {} by {}", types[1], types[0]));
        let empty = store();
        let context = self.host.state(name, merge_rows(name, store));
        let Keyed { results, late, state } = keyed(name, rows, times, empty, context);
        self.state.push(state);
        (results, late)
    }
}
