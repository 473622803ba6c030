//! Windows and totals of streams, for jobs, and windows for hand-written dataflows too.

use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::ExchangeData;
use timely::dataflow::Stream;
use timely::dataflow::operators::vec::Map as _;

use super::event_time::{EventTimes, event_times};
use super::keyed::{Keyed, keyed};
use super::keyed_state::StateContext;
use super::merge_rows::merge_rows;
use crate::merge::Merge;
use crate::state_file::{MergeRows, StateBlock};
use crate::window::{
    Change, Kind, Lateness, Panes, Sessions, Store, Totals, Update, Window, Windows,
};

/// A key of state: it is hashed, sent to its worker, and stored.
pub trait Key: ExchangeData + Clone + Eq + Hash + Serialize + DeserializeOwned {}

impl<K: ExchangeData + Clone + Eq + Hash + Serialize + DeserializeOwned> Key for K {}

/// The merged value of a key. It is sent to the worker of the key, and stored.
pub trait Value: ExchangeData + Clone + Merge + PartialEq + Serialize + DeserializeOwned {}

impl<V: ExchangeData + Clone + Merge + PartialEq + Serialize + DeserializeOwned> Value for V {}

/// What windows emit.
pub struct Windowed<'scope, K, V> {
    /// One [`Window`] for each key and window, emitted once, in the epoch in which the window closes.
    pub results: Stream<'scope, u64, Vec<Window<K, V>>>,
    /// The rows that are in no window, because all their windows had closed, or because their event time is too far ahead
    /// to be believed. Their time is the start of their pane ([`Windows::pane`]), and the rows of a key, pane and epoch
    /// are merged.
    pub late: Stream<'scope, u64, Vec<((K, i64), V)>>,
}

/// Adds [`EventTimesExt::event_times`] to streams.
pub trait EventTimesExt<'scope, T>: Sized {
    /// Reads the event times of records, by which windows close, and passes the records on. `time` returns the event time
    /// of a record in milliseconds since 1970.
    fn event_times(
        self,
        lateness: Lateness,
        time: impl Fn(&T) -> i64 + 'static,
    ) -> (Self, EventTimes<'scope>);
}

impl<'scope, T: Clone + 'static> EventTimesExt<'scope, T> for Stream<'scope, u64, Vec<T>> {
    fn event_times(
        self,
        lateness: Lateness,
        time: impl Fn(&T) -> i64 + 'static,
    ) -> (Self, EventTimes<'scope>) {
        event_times(self, lateness, move |records, times| {
            times.add_all(records.iter().map(&time));
        })
    }
}

/// Adds [`WindowExt::windows`] to streams of rows.
pub trait WindowExt<'scope, K, V> {
    /// Merges the values of each key in windows of event time. A row is a key with an event time, in milliseconds since
    /// 1970, and a value. All workers of all processes share the keys between them. The state is not stored: that of a
    /// job is.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use floodway::merge::Count;
    /// use floodway::stateful::{EventTimesExt, WindowExt};
    /// use floodway::window::{Lateness, Window, Windows};
    /// use timely::dataflow::operators::vec::Map;
    /// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
    ///
    /// let second = Windows::tumbling(Duration::from_secs(1))?;
    /// let closed = timely::execute_directly(move |worker| {
    ///     worker.dataflow::<u64, _, _>(|scope| {
    ///         let events = [("a", 10), ("b", 20), ("a", 999), ("a", 1_000)].to_stream(scope);
    ///         let (events, times) =
    ///             events.container::<Vec<_>>().event_times(Lateness::default(), |event| event.1);
    ///         let rows = events.map(|(key, time)| ((key.to_owned(), time), Count(1)));
    ///         rows.windows(&times, second).results.capture()
    ///     })
    /// });
    /// let mut closed: Vec<_> = closed.extract().into_iter().flat_map(|(_, windows)| windows).collect();
    /// closed.sort();
    /// let window = |start, key: &str, count| Window { start, end: start + 1_000, key: key.to_owned(), value: Count(count) };
    /// assert_eq!(closed, [window(0, "a", 2), window(0, "b", 1), window(1_000, "a", 1)]);
    /// # Ok::<(), floodway::window::WindowError>(())
    /// ```
    fn windows(self, times: &EventTimes<'scope>, windows: Windows) -> Windowed<'scope, K, V>;
}

impl<'scope, K: Key, V: Value> WindowExt<'scope, K, V> for Stream<'scope, u64, Vec<((K, i64), V)>> {
    fn windows(self, times: &EventTimes<'scope>, windows: Windows) -> Windowed<'scope, K, V> {
        let mut stage = StateStage { name: "windows", context: |_| StateContext::default() };
        windows_of(self, times, windows, &mut stage).0
    }
}

/// A stage with state, and what gives it its context when it says how its stored rows merge.
pub(crate) struct StateStage<'a, F: FnMut(Arc<dyn MergeRows>) -> StateContext> {
    pub name: &'a str,
    pub context: F,
}

type Written<'scope> = Stream<'scope, u64, Vec<StateBlock>>;

/// Merges rows in windows. Returns what is written of the state, too.
pub(crate) fn windows_of<'scope, K: Key, V: Value, F>(
    rows: Stream<'scope, u64, Vec<((K, i64), V)>>,
    times: &EventTimes<'scope>,
    windows: Windows,
    stage: &mut StateStage<'_, F>,
) -> (Windowed<'scope, K, V>, Written<'scope>)
where
    F: FnMut(Arc<dyn MergeRows>) -> StateContext,
{
    let times = Some(times.clone());
    match windows.0 {
        Kind::Fixed { size, slide } => {
            let Keyed { results, late, state } =
                of_store(rows, times, move || Panes::new(size, slide), stage);
            (Windowed { results, late }, state)
        }
        Kind::Session { gap } => {
            let Keyed { results, late, state } =
                of_store(rows, times, move || Sessions::new(gap), stage);
            (Windowed { results, late }, state)
        }
    }
}

/// Merges rows without windows, and returns how the values of keys change, and what is written of the state.
pub(crate) fn totals_of<'scope, K: Key, V: Value, F>(
    rows: Stream<'scope, u64, Vec<(K, V)>>,
    stage: &mut StateStage<'_, F>,
) -> (Stream<'scope, u64, Vec<Change<K, V>>>, Written<'scope>)
where
    F: FnMut(Arc<dyn MergeRows>) -> StateContext,
{
    let rows = rows.map(|(key, value)| ((key, 0), value));
    let Keyed { results, state, .. } = of_store(rows, None, Totals::for_ever, stage);
    (changes(results), state)
}

/// Returns the changes of updates: what a key had is taken back, and what it has is added.
fn changes<'scope, K: Key, V: Value>(
    updates: Stream<'scope, u64, Vec<Update<(K, i64), V>>>,
) -> Stream<'scope, u64, Vec<Change<K, V>>> {
    updates.flat_map(|Update { key: (key, _), epoch, before, after }| {
        let before = before.map(|before| ((key.clone(), before), epoch, -1));
        let after = after.map(|after| ((key, after), epoch, 1));
        before.into_iter().chain(after)
    })
}

/// Merges rows into a store that `store` makes, empty.
pub(crate) fn of_store<'scope, S: Store, F>(
    rows: Stream<'scope, u64, Vec<((S::Key, i64), S::Value)>>,
    times: Option<EventTimes<'scope>>,
    store: impl Fn() -> S + Clone + Send + Sync + 'static,
    stage: &mut StateStage<'_, F>,
) -> Keyed<'scope, S>
where
    F: FnMut(Arc<dyn MergeRows>) -> StateContext,
    S::Key: ExchangeData,
    S::Value: ExchangeData,
{
    let context = (stage.context)(merge_rows(stage.name, store.clone()));
    keyed(stage.name, rows, times, store, context)
}
