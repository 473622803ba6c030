//! Measures how long a source waits, by reason, even while it still waits.

use std::time::Instant;

use crate::batch::Nanos;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The reason why a source waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Burst holds the highest number of records.
    Backlog,
    /// The highest number of bytes waits for the writer.
    Writer,
    /// Epochs must be committed before others begin.
    Commit,
}

impl WaitReason {
    /// All reasons, by their numbers.
    pub const ALL: [WaitReason; 3] = [WaitReason::Backlog, WaitReason::Writer, WaitReason::Commit];

    /// Returns the reason's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            WaitReason::Backlog => "backlog",
            WaitReason::Writer => "writer",
            WaitReason::Commit => "commit",
        }
    }
}

/// Nanoseconds of waiting, by reason.
pub type WaitTimes = [Nanos; WaitReason::ALL.len()];

/// The waits of one source. Only the source writes, and any thread may read.
#[derive(Debug)]
pub struct WaitTimer {
    base: Instant,
    /// The time of waits that are over.
    over: [AtomicU64; WaitReason::ALL.len()],
    /// The current wait: four times the nanoseconds from `base` to its start, plus one more than the number of its reason. 0 if
    /// there is no current wait.
    lasts: AtomicU64,
    /// The highest times that were read, so that a wait that has just ended is never missing.
    read: [AtomicU64; WaitReason::ALL.len()],
}

impl Default for WaitTimer {
    fn default() -> Self {
        WaitTimer {
            base: Instant::now(),
            over: Default::default(),
            lasts: AtomicU64::new(0),
            read: Default::default(),
        }
    }
}

impl WaitTimer {
    fn now(&self) -> Nanos {
        self.base.elapsed().as_nanos() as Nanos
    }

    /// Starts a wait for `what`.
    pub fn begin(&self, what: WaitReason) {
        let tag = what as u64 + 1;
        if self.lasts.load(SeqCst) % 4 == tag {
            return;
        }
        self.end();
        self.lasts.store(self.now() << 2 | tag, SeqCst);
    }

    /// Ends the wait.
    pub fn end(&self) {
        // Usually there is no wait, and this costs one load.
        let lasts = self.lasts.load(SeqCst);
        if let Some((what, since)) = unpacked(lasts) {
            self.lasts.store(0, SeqCst);
            self.over[what].fetch_add(self.now().saturating_sub(since), SeqCst);
        }
    }

    /// Returns the time that the source has waited until now. It never decreases.
    pub fn waited(&self) -> WaitTimes {
        let mut waited = WaitTimes::default();
        loop {
            let lasts = self.lasts.load(SeqCst);
            for (waited, over) in waited.iter_mut().zip(&self.over) {
                *waited = over.load(SeqCst);
            }
            // The wait lasts at this time if it lasts at the check that follows.
            let now = self.now();
            if self.lasts.load(SeqCst) != lasts {
                continue;
            }
            if let Some((what, since)) = unpacked(lasts) {
                waited[what] += now.saturating_sub(since);
            }
            break;
        }
        for (waited, read) in waited.iter_mut().zip(&self.read) {
            *waited = read.fetch_max(*waited, SeqCst).max(*waited);
        }
        waited
    }
}

fn unpacked(lasts: u64) -> Option<(usize, Nanos)> {
    Some(((lasts % 4).checked_sub(1)? as usize, lasts >> 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_counts_while_it_lasts_and_what_for() {
        let waits = WaitTimer::default();
        assert_eq!(waits.waited(), [0; 3]);
        waits.begin(WaitReason::Writer);
        let [backlog, first, commit] = waits.waited();
        assert_eq!((backlog, commit), (0, 0));
        waits.begin(WaitReason::Writer);
        while waits.waited()[1] <= first {}
        waits.begin(WaitReason::Commit);
        let [_, writer, _] = waits.waited();
        while waits.waited()[2] == 0 {}
        waits.end();
        let all = waits.waited();
        assert_eq!((all[0], all[1]), (0, writer));
        waits.end();
        assert_eq!(waits.waited(), all);
    }
}
