//! Compares the stores with a program that looks at all records again for each window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::merge::{Count, Set};

/// The numbers of the records.
type Value = (Count, Set<u32>);

/// An epoch: keys and event times.
type Epoch = Vec<(u8, i64)>;

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// The windows, with the epoch in which each closes.
    closed: BTreeSet<(u64, Window<u8, (u64, Vec<u32>)>)>,
    late: BTreeMap<u32, (u8, i64)>,
}

fn lateness(allowed: u64) -> Lateness {
    Lateness { allowed: Duration::from_millis(allowed), max_ahead: Duration::from_secs(1_000) }
}

/// Runs the epochs through a store. The state is written and read again, into an empty store, before the epochs of
/// `restarts`.
fn run<S>(
    empty: impl Fn() -> S,
    allowed: u64,
    epochs: &[Epoch],
    restarts: &BTreeSet<usize>,
) -> Outcome
where
    S: Store<Key = u8, Value = Value, Out = Window<u8, Value>>,
{
    let mut store = empty();
    let mut frontier = EventFrontier::new(lateness(allowed));
    let mut outcome = Outcome::default();
    let mut number = 0;
    // All that was written, which is merged again.
    let mut log: Vec<Row<u8, Value>> = Vec::new();
    for (epoch, records) in epochs.iter().enumerate() {
        if restarts.contains(&epoch) {
            store = empty();
            // Rows that are over need not be there.
            log.retain(|row| number % 2 == 0 || !store.is_over(row.last, frontier.time()));
            log.iter().for_each(|row| store.restore(row.clone()));
            store.forget(frontier.time());
            log.clear();
            store.rows(&mut |key, first, last, value| {
                log.push(Row { key: *key, first, last, value: value.clone() });
            });
        }
        let before = frontier.time();
        let mut times = frontier.times();
        times.add_all(records.iter().map(|(_, time)| *time));
        if !records.is_empty() {
            frontier.advance(epoch as u64, &times);
        }
        for (key, time) in records {
            let value = (Count(1), Set::of(number));
            let apply = Apply { before, after: &frontier };
            let (first, _) = store.pane(*time);
            if store.is_late(first, &apply) {
                outcome.late.insert(number, (*key, *time));
            } else {
                log.push(Row { key: *key, first, last: first, value: value.clone() });
                store.merge(*key, first, value);
            }
            number += 1;
        }
        let mut emit = |epoch: u64, window: Window<u8, Value>| {
            let Window { start, end, key, value: (Count(count), Set(records)) } = window;
            let value = (count, records.into_iter().collect());
            let is_new = outcome.closed.insert((epoch, Window { start, end, key, value }));
            assert!(is_new, "a window closes once");
        };
        let this = epoch as u64;
        store.end_epoch(this, frontier.time(), &mut |window| emit(this, window));
        if epoch + 1 == epochs.len() {
            frontier.end(store.longest());
            let last = frontier.last_epoch.unwrap_or(0);
            store.end_epoch(last, frontier.time(), &mut |window| emit(last, window));
            let mut left = 0;
            store.rows(&mut |_, _, _, _| left += 1);
            assert_eq!(left, 0, "all is over at the end");
        }
    }
    outcome
}

/// The frontier before each epoch, and after the last one.
fn frontiers(allowed: u64, epochs: &[Epoch]) -> Vec<i64> {
    let mut latest = i64::MIN;
    let mut all = vec![latest];
    for records in epochs {
        latest = records.iter().map(|(_, time)| *time).fold(latest, i64::max);
        all.push(latest.saturating_sub(allowed as i64));
    }
    all
}

/// The epoch in which a window with this end closes.
fn closes(end: i64, epochs: &[Epoch], frontiers: &[i64]) -> u64 {
    let passed = (0..epochs.len()).find(|epoch| frontiers[epoch + 1] >= end);
    let last = epochs.iter().rposition(|records| !records.is_empty()).unwrap_or(0);
    passed.unwrap_or(last) as u64
}

/// What fixed windows hold, looked at one by one.
fn fixed(size: i64, slide: i64, allowed: u64, epochs: &[Epoch]) -> Outcome {
    let frontiers = frontiers(allowed, epochs);
    let mut windows: BTreeMap<(i64, u8), Vec<u32>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    let mut number = 0;
    for (epoch, records) in epochs.iter().enumerate() {
        for (key, time) in records {
            let last = time.div_euclid(slide) * slide;
            let starts = (0..size / slide).map(|step| last - step * slide);
            let open = starts.filter(|start| start + size > frontiers[epoch]);
            let open: Vec<i64> = open.collect();
            if open.is_empty() {
                outcome.late.insert(number, (*key, *time));
            }
            for start in open {
                windows.entry((start, *key)).or_default().push(number);
            }
            number += 1;
        }
    }
    for ((start, key), records) in windows {
        let epoch = closes(start + size, epochs, &frontiers);
        let value = (records.len() as u64, records);
        outcome.closed.insert((epoch, Window { start, end: start + size, key, value }));
    }
    outcome
}

/// What sessions hold: all records in the order of their times.
fn sessions(gap: i64, allowed: u64, epochs: &[Epoch]) -> Outcome {
    let frontiers = frontiers(allowed, epochs);
    let mut outcome = Outcome::default();
    let (mut number, mut keys) = (0, BTreeMap::<u8, Vec<(i64, u32)>>::new());
    for (epoch, records) in epochs.iter().enumerate() {
        for (key, time) in records {
            match *time < frontiers[epoch] {
                true => drop(outcome.late.insert(number, (*key, *time))),
                false => keys.entry(*key).or_default().push((*time, number)),
            }
            number += 1;
        }
    }
    for (key, mut records) in keys {
        records.sort_unstable();
        for session in records.chunk_by(|a, b| b.0 - a.0 < gap) {
            let (start, end) = (session[0].0, session[session.len() - 1].0 + gap);
            let mut numbers: Vec<u32> = session.iter().map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            let value = (numbers.len() as u64, numbers);
            let epoch = closes(end, epochs, &frontiers);
            outcome.closed.insert((epoch, Window { start, end, key, value }));
        }
    }
    outcome
}

/// Epochs whose times go on, back and forth, and pause.
fn epochs() -> impl Strategy<Value = Vec<Epoch>> {
    let epoch = |at: i64| prop::collection::vec((0..3_u8, at * 7 - 20..at * 7 + 20), 0..12);
    (1..20_i64).prop_flat_map(move |count| (0..count).map(epoch).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn windows_hold_what_a_look_at_all_records_finds(
        epochs in epochs(),
        (slide, panes) in (1..20_i64, 1..5_i64),
        (gap, allowed) in (1..15_i64, 0..20_u64),
        restarts in prop::collection::btree_set(0..20_usize, 0..4),
    ) {
        let size = slide * panes;
        prop_assert_eq!(run(|| Panes::new(size, slide), allowed, &epochs, &restarts), fixed(size, slide, allowed, &epochs));
        let found = run(|| Sessions::new(gap), allowed, &epochs, &restarts);
        prop_assert_eq!(found, sessions(gap, allowed, &epochs));
    }
}
