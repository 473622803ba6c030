//! What comes back to a desk: answers, which are believed, checked first or sent home.

use std::ops::Range;

use timely::Container;
use timely::progress::Timestamp;

use super::{Desk, Outputs};
use crate::batch::Records;
use crate::bridge::{Outcome, Reply};
use crate::operators::Path;
use crate::operators::verify::{Checking, Verdict};
use crate::policy::{Done, Side};
use crate::task::Task;

impl<T: Timestamp, K: Task> Desk<T, K>
where
    K::Out: Container,
{
    /// Sends out the results that have come, and takes home what has not been done.
    pub(in crate::operators) fn replies(&mut self, outputs: &mut Outputs<'_, T, K>) {
        self.inbox.rearm();
        while let Some(Reply { id, range, usd, outcome }) = self.inbox.try_recv() {
            let Some((entry, held, path)) = self.away.came(id, range.len()) else { continue };
            self.epochs.get(&held.epoch).stats.usd += usd;
            match outcome {
                Outcome::Done { out, home, hedged } => {
                    let path = if hedged { Path::Hedged } else { path };
                    let checks = if path.is_remote() {
                        self.verify.choose(&range, &home)
                    } else {
                        Vec::new()
                    };
                    let checking = Checking { entry, held, range, out, home, path, checks };
                    if checking.checks.is_empty() {
                        self.believe(checking, outputs);
                    } else {
                        self.checking.push_back(checking);
                    }
                }
                Outcome::Home(_) => self.queue.come_home(entry, range, held),
            }
        }
    }

    /// Sends out what the remote side or a peer has computed, and takes home the records it refused.
    fn believe(&mut self, checked: Checking<T, K>, outputs: &mut Outputs<'_, T, K>) {
        let Checking { entry, held, range, mut out, home, path, .. } = checked;
        let records = range.len();
        let scheduled = entry.scheduled.slice(&relative(&range, &entry.range), entry.records());
        let size = held.batch.size(&range);
        let done = records - home.len();
        for position in &home {
            self.queue.come_home(entry.clone(), *position..position + 1, held.clone());
        }
        self.pressure.remove(done, size - size / records.max(1) * home.len());
        let epoch = self.epochs.get(&held.epoch);
        epoch.open -= done as u64;
        epoch.stats.count(path, done as u64);
        outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
        let now = self.clock.now();
        let side = if path.is_remote() { Side::Remote } else { Side::Home };
        self.policy.done(now, Done::at(now, side, scheduled, self.slack, records));
        self.observer.results(&held.epoch, path, scheduled, done, now);
    }

    /// Checks up to `most` records of an answer. One with a wrong result is not believed at all.
    pub(super) fn check(
        &mut self,
        mut checking: Checking<T, K>,
        most: usize,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let (checked, verdict) = checking.check(&*self.task, most, &mut self.verdicts);
        match verdict {
            Verdict::Unfinished => {
                self.observer.verified(checked);
                self.checking.push_front(checking);
            }
            Verdict::Same => {
                self.observer.verified(checked);
                self.believe(checking, outputs);
            }
            Verdict::Differs(at) => {
                self.observer.differs(&checking.held.batch.describe(at));
                if let Some(lane) = &self.lane {
                    lane.condemn();
                }
                let Checking { entry, held, range, .. } = checking;
                self.queue.come_home(entry, range, held);
            }
        }
    }
}

/// `range` as positions within `of`.
fn relative(range: &Range<usize>, of: &Range<usize>) -> Range<usize> {
    range.start - of.start..range.end - of.start
}
