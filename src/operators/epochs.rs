//! The epochs that an operator has records of: their capabilities, and what became of the records.

use std::collections::BTreeMap;

use timely::dataflow::operators::Capability;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::observer::{EpochStats, Observer};
use crate::policy::Offered;

/// An epoch with records here. Its capabilities stay until the last result is out and no more
/// records can come: that is what makes progress timely's.
pub(super) struct Epoch<T: Timestamp> {
    /// For results.
    pub results: Capability<T>,
    /// For bad records.
    pub bad: Capability<T>,
    /// Records that came.
    pub received: u64,
    /// Records that are queued or away.
    pub pending: u64,
    /// What became of the others.
    pub stats: EpochStats,
}

/// All epochs that are not complete, by timestamp.
pub(super) struct Epochs<T: Timestamp> {
    open: BTreeMap<T, Epoch<T>>,
    /// Complete here, but not yet known to be final in the whole dataflow.
    complete: BTreeMap<T, EpochStats>,
}

impl<T: Timestamp> Epochs<T> {
    pub(super) fn new() -> Self {
        Epochs { open: BTreeMap::new(), complete: BTreeMap::new() }
    }

    /// Epoch `time`, which has records here; made from its capabilities if it is new.
    pub(super) fn received(
        &mut self,
        time: &T,
        records: u64,
        capabilities: impl FnOnce() -> Option<(Capability<T>, Capability<T>)>,
    ) -> bool {
        if let Some(epoch) = self.open.get_mut(time) {
            epoch.received += records;
            epoch.pending += records;
            return true;
        }
        let Some((results, bad)) = capabilities() else { return false };
        let stats = EpochStats::default();
        let epoch = Epoch { results, bad, received: records, pending: records, stats };
        self.open.insert(time.clone(), epoch);
        true
    }

    /// The epoch of records that are queued or away.
    pub(super) fn get(&mut self, time: &T) -> &mut Epoch<T> {
        self.open.get_mut(time).expect("an epoch stays open while it has records")
    }

    /// The records that came in `time`.
    pub(super) fn records(&self, time: &T) -> u64 {
        self.open.get(time).map_or(0, |epoch| epoch.received)
    }

    /// The times of all epochs that have records here.
    pub(super) fn times(&self) -> impl Iterator<Item = &T> {
        self.open.keys()
    }

    /// Gives up the capabilities of epochs that are complete.
    pub(super) fn complete(&mut self, frontier: &MutableAntichain<T>) {
        let complete = &mut self.complete;
        self.open.retain(|time, epoch| {
            let done = epoch.pending == 0 && !frontier.less_equal(time);
            if done {
                complete.insert(time.clone(), epoch.stats);
            }
            !done
        });
    }

    /// Notes what a final epoch brought.
    pub(super) fn offered(&mut self, time: T, offered: Offered) {
        let stats = match self.open.get_mut(&time) {
            Some(epoch) => &mut epoch.stats,
            None => self.complete.entry(time).or_default(),
        };
        stats.offered = Some(offered);
    }

    /// Tells `observer` of the epochs that are complete and final, in order.
    pub(super) fn publish(&mut self, observer: &mut dyn Observer<T>) {
        while let Some(entry) = self.complete.first_entry() {
            let earlier = self.open.keys().next().is_some_and(|open| open < entry.key());
            if earlier || entry.get().offered.is_none() {
                break;
            }
            let (time, stats) = entry.remove_entry();
            observer.epoch_completed(&time, &stats);
        }
    }
}
