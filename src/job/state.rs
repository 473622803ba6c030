//! Stages with state: windows and totals by key.

use std::any::type_name;

use timely::ExchangeData;
use timely::dataflow::Stream;

use super::Job;
use crate::stateful::{
    EventTimes, EventTimesExt as _, Key, Keyed, KeyedRow, StateStage, Value, Windowed,
    collection_of, of_store, totals_of, windows_of,
};
use crate::window::{Change, Lateness, Store, Windows};

impl<'scope> Job<'scope> {
    /// Reads the event times of records, by which windows close, and passes the records on. `time` returns the event
    /// time of a record in milliseconds since 1970.
    pub fn event_times<T: Clone + 'static>(
        &mut self,
        records: Stream<'scope, u64, Vec<T>>,
        lateness: Lateness,
        time: impl Fn(&T) -> i64 + 'static,
    ) -> (Stream<'scope, u64, Vec<T>>, EventTimes<'scope>) {
        records.event_times(lateness, time)
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
        self.declare_state::<K, V>(name, &windows.identity());
        self.event_times.push(*times.reports.name());
        let context = |merge_rows| self.host.state(name, merge_rows);
        let (windowed, state) = windows_of(rows, times, windows, &mut StateStage { name, context });
        self.state.push(state);
        windowed
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
        self.declare_state::<K, V>(name, "totals");
        let context = |merge_rows| self.host.state(name, merge_rows);
        let (changes, state) = totals_of(rows, &mut StateStage { name, context });
        self.state.push(state);
        changes
    }

    /// Makes a collection of differential dataflow of records: each is added to it at its epoch, and stays. What is made
    /// of collections by joins, reductions and the like is committed by [`Job::changes`].
    ///
    /// The records are part of the run's state: a run that resumes has them in its collection, and its operators compute
    /// again what they had computed. Commit what is made of collections by [`Job::changes`] alone, which leaves out what
    /// is committed already.
    #[cfg(feature = "differential")]
    pub fn collection<D: Key>(
        &mut self,
        name: &str,
        records: Stream<'scope, u64, Vec<D>>,
    ) -> differential_dataflow::VecCollection<'scope, u64, D, isize> {
        use differential_dataflow::AsCollection as _;
        self.declare_state::<D, ()>(name, "collection");
        let context = |merge_rows| self.host.state(name, merge_rows);
        let (changes, state) = collection_of(records, &mut StateStage { name, context });
        self.state.push(state);
        changes.as_collection()
    }

    /// Adds a stage that holds its state in stores of its own, which `store` makes. `identity` says what the state depends
    /// on besides its types.
    pub(crate) fn keyed<S: Store>(
        &mut self,
        name: &str,
        identity: &str,
        rows: Stream<'scope, u64, Vec<KeyedRow<S>>>,
        times: Option<&EventTimes<'scope>>,
        store: impl Fn() -> S + Clone + Send + Sync + 'static,
    ) -> Stream<'scope, u64, Vec<S::Out>>
    where
        S::Key: Key,
        S::Value: ExchangeData,
    {
        self.declare_state::<S::Key, S::Value>(name, identity);
        let context = |merge_rows| self.host.state(name, merge_rows);
        let stage = &mut StateStage { name, context };
        let Keyed { results, state, .. } = of_store(rows, times.cloned(), store, stage);
        self.state.push(state);
        results
    }

    /// Declares a stage with state. A state of other types is refused.
    fn declare_state<K, V>(&mut self, name: &str, identity: &str) {
        self.take_name(name);
        let (key, value) = (plain_name(type_name::<K>()), plain_name(type_name::<V>()));
        self.host.declare_state(format!("{name}: {identity}, {value} by {key}"));
    }
}

/// Returns the name of a type without the modules of its parts: a type that moves to another module is the same.
fn plain_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for part in name.split_inclusive(|c: char| !c.is_alphanumeric() && !"_:".contains(c)) {
        plain.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::any::type_name;

    use super::plain_name;
    use crate::merge::{Count, Max, Set};

    #[test]
    fn the_modules_of_a_type_are_no_part_of_its_name() {
        type Known = (Count, Set<String>, Option<Max<[u8; 4]>>);
        let plain = plain_name(type_name::<Known>());
        assert_eq!(plain, "(Count, Set<String>, Option<Max<[u8; 4]>>)");
        assert_eq!(plain_name(type_name::<&str>()), "&str");
        assert_eq!(plain_name("()"), "()");
    }
}
