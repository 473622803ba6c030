//! Which epochs are committed together.

/// Commit groups: so many consecutive epochs are committed together. The groups are a function of the epoch alone, so they
/// are the same in all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitGroups(u64);

impl CommitGroups {
    /// Creates groups of `epochs` epochs.
    pub(crate) fn of(epochs: u64) -> Self {
        CommitGroups(epochs.max(1))
    }

    /// Returns the group of an epoch.
    pub(crate) fn group(self, epoch: u64) -> u64 {
        epoch / self.0
    }

    /// Returns the first epoch of a group.
    pub(crate) fn first_epoch(self, group: u64) -> u64 {
        group.saturating_mul(self.0)
    }

    /// Returns the last epoch of a group.
    pub(crate) fn last_epoch(self, group: u64) -> u64 {
        group.saturating_add(1).saturating_mul(self.0) - 1
    }
}
