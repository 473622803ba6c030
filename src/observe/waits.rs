//! For how long a source has waited, and for what: also while it still waits.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use crate::batch::Nanos;

/// What a source waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Burst holds as many records as it may.
    Backlog,
    /// As many bytes as may wait for the writer.
    Writer,
    /// Epochs are to be committed before others begin.
    Commit,
}

impl Wait {
    /// All of them, by their numbers.
    pub const ALL: [Wait; 3] = [Wait::Backlog, Wait::Writer, Wait::Commit];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Wait::Backlog => "backlog",
            Wait::Writer => "writer",
            Wait::Commit => "commit",
        }
    }
}

/// Nanoseconds by what was waited for.
pub type Waited = [Nanos; Wait::ALL.len()];

/// One source's waits. It alone writes; anybody reads.
#[derive(Debug)]
pub struct Waits {
    base: Instant,
    /// Waits that are over.
    over: [AtomicU64; Wait::ALL.len()],
    /// The one that lasts: since when, four times the nanoseconds after `base`, and one more than what
    /// for; 0 if there is none.
    lasts: AtomicU64,
    /// What was read: a wait that has just ended is never in neither.
    read: [AtomicU64; Wait::ALL.len()],
}

impl Default for Waits {
    fn default() -> Self {
        Waits {
            base: Instant::now(),
            over: Default::default(),
            lasts: AtomicU64::new(0),
            read: Default::default(),
        }
    }
}

impl Waits {
    fn now(&self) -> Nanos {
        self.base.elapsed().as_nanos() as Nanos
    }

    /// The source waits for `what` now.
    pub fn begin(&self, what: Wait) {
        let tag = what as u64 + 1;
        if self.lasts.load(SeqCst) % 4 == tag {
            return;
        }
        self.end();
        self.lasts.store(self.now() << 2 | tag, SeqCst);
    }

    /// It waits no more.
    pub fn end(&self) {
        // Most of the time it has not waited: that is a load.
        let lasts = self.lasts.load(SeqCst);
        if let Some((what, since)) = unpacked(lasts) {
            self.lasts.store(0, SeqCst);
            self.over[what].fetch_add(self.now().saturating_sub(since), SeqCst);
        }
    }

    /// For how long it has waited until now. It never becomes less.
    pub fn waited(&self) -> Waited {
        let mut waited = Waited::default();
        loop {
            let lasts = self.lasts.load(SeqCst);
            for (waited, over) in waited.iter_mut().zip(&self.over) {
                *waited = over.load(SeqCst);
            }
            if self.lasts.load(SeqCst) != lasts {
                continue;
            }
            if let Some((what, since)) = unpacked(lasts) {
                waited[what] += self.now().saturating_sub(since);
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
        let waits = Waits::default();
        assert_eq!(waits.waited(), [0; 3]);
        waits.begin(Wait::Writer);
        let [backlog, first, commit] = waits.waited();
        assert_eq!((backlog, commit), (0, 0));
        waits.begin(Wait::Writer);
        while waits.waited()[1] <= first {}
        waits.begin(Wait::Commit);
        let [_, writer, _] = waits.waited();
        while waits.waited()[2] == 0 {}
        waits.end();
        let all = waits.waited();
        assert_eq!((all[0], all[1]), (0, writer));
        waits.end();
        assert_eq!(waits.waited(), all);
    }
}
