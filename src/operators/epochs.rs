//! Epochs of an operator that have records: their capabilities, and statistics of their records.

use std::collections::BTreeMap;

use timely::dataflow::operators::Capability;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::observer::{EpochStats, Observer};
use crate::policy::Offered;

/// Epoch with records on this worker. Its capabilities are kept until the last result is emitted
/// and no more records can arrive.
pub(super) struct Epoch<T: Timestamp> {
    /// Capability for results.
    pub results: Capability<T>,
    /// Capability for bad records.
    pub bad: Capability<T>,
    /// Records of the stream that were received.
    pub received: u64,
    /// Records of the stream that are queued or in flight.
    pub pending: u64,
    /// Statistics of the records that are done.
    pub stats: EpochStats,
}

/// Epochs that are not complete, by timestamp.
pub(super) struct Epochs<T: Timestamp> {
    open: BTreeMap<T, Epoch<T>>,
    /// Complete here, but not yet known to be final in the whole dataflow.
    complete: BTreeMap<T, EpochStats>,
}

impl<T: Timestamp> Epochs<T> {
    pub(super) fn new() -> Self {
        Epochs { open: BTreeMap::new(), complete: BTreeMap::new() }
    }

    /// Counts `records` records in epoch `time`. The epoch is created from `capabilities` if it is
    /// new.
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

    /// Returns the epoch of records that are queued or in flight.
    pub(super) fn get(&mut self, time: &T) -> &mut Epoch<T> {
        self.open.get_mut(time).expect("an epoch stays open while it has records")
    }

    /// Returns the records that were received in `time`.
    pub(super) fn records(&self, time: &T) -> u64 {
        self.open.get(time).map_or(0, |epoch| epoch.received)
    }

    /// Returns the timestamps of all epochs that have records on this worker.
    pub(super) fn times(&self) -> impl Iterator<Item = &T> {
        self.open.keys()
    }

    /// Returns the oldest epoch that is not complete, if no more records arrive before `frontier`.
    pub(super) fn oldest(&self, frontier: &MutableAntichain<T>) -> Option<T> {
        let frontier = frontier.frontier();
        self.open.keys().next().into_iter().chain(frontier.first()).min().cloned()
    }

    /// Drops the capabilities of complete epochs.
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

    /// Records the final count of an epoch.
    pub(super) fn offered(&mut self, time: T, offered: Offered) {
        let stats = match self.open.get_mut(&time) {
            Some(epoch) => &mut epoch.stats,
            None => self.complete.entry(time).or_default(),
        };
        stats.offered = Some(offered);
    }

    /// Reports the epochs that are complete and final to `observer`, in order.
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
