//! What is done at a desk, a slice at a time: its own records, those of others, and late ones.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::Container;
use timely::progress::Timestamp;

use super::{Desk, Held, Outputs};
use crate::batch::{Records, Span};
use crate::bridge::{Outcome, Part};
use crate::operators::Path;
use crate::policy::{Done, Entry, Side, Taken};
use crate::task::{Bad, Task};

impl<T: Timestamp, K: Task> Desk<T, K>
where
    K::Out: Container,
{
    /// Does work for about a slice: answers that are to be checked, what was taken from others, the
    /// front of the queue, then records that are late.
    pub(in crate::operators) fn work(&mut self, outputs: &mut Outputs<'_, T, K>) {
        let began = Instant::now();
        if let Some(left) = self.left.take() {
            self.true_rate.waited(began - left);
        }
        let (mut spent, mut useful, mut done) = (Duration::ZERO, Duration::ZERO, 0);
        while spent < self.slice {
            let fit = self.true_rate.fit(self.slice - spent);
            let records = if let Some(checking) = self.checking.pop_front() {
                self.check(checking, fit, outputs);
                // A record that is computed again to be checked is not one that is done.
                let until_now = began.elapsed();
                self.true_rate.waited(until_now - spent);
                spent = until_now;
                continue;
            } else if let Some(part) = self.help.next(fit) {
                self.do_for_another(part)
            } else if self.has_own_work()
                && let Some(Taken { entry, payload, .. }) = self.queue.take_front(fit)
            {
                let path = if entry.home { Path::Home } else { Path::Local };
                self.compute(&payload, entry.range.clone(), entry.scheduled, path, outputs);
                entry.records()
            } else if let Some((entry, held, path)) = self.take_late(began + spent, fit) {
                let (range, scheduled) = (entry.range.clone(), entry.scheduled);
                self.compute(&held, range, scheduled, path, outputs);
                entry.records()
            } else {
                break;
            };
            let until_now = began.elapsed();
            self.true_rate.note(records, until_now - spent);
            done += records;
            useful += until_now - spent;
            spent = until_now;
        }
        if done > 0 {
            self.observer.worked(done, useful);
        }
        self.left = self.has_own_work().then(|| began + spent);
    }

    /// Computes records here, and sends their results out.
    fn compute(
        &mut self,
        held: &Held<T, K::In>,
        range: Range<usize>,
        scheduled: Span,
        path: Path,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let mut out = self.task.results(&held.batch, &range);
        self.task.compute(&held.batch, range.clone(), &mut out, &mut self.verdicts);
        self.pressure.remove(range.len(), held.batch.size(&range));
        let epoch = self.epochs.get(&held.epoch);
        epoch.open -= range.len() as u64;
        let good = range.len() - self.verdicts.len();
        epoch.stats.count(path, good as u64);
        if good > 0 {
            outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
            let now = self.clock.now();
            if path == Path::Local {
                self.policy
                    .done(now, Done::at(now, Side::Home, scheduled, self.slack, range.len()));
            }
            self.observer.results(&held.epoch, path, scheduled, good, now);
        }
        if !self.verdicts.is_empty() {
            epoch.stats.bad += self.verdicts.len() as u64;
            self.observer.bad(self.verdicts.len());
            let records = self.verdicts.drain(..);
            let bad = records.map(|(at, code)| Bad { record: held.batch.record(at), code });
            outputs.bad.session(&epoch.bad).give_iterator(bad);
        }
    }

    /// Computes another worker's records; answers how many.
    fn do_for_another(&mut self, part: Part<K>) -> usize {
        let (task, verdicts) = (&self.task, &mut self.verdicts);
        let input = Arc::clone(part.input());
        part.answer(0.0, |range| {
            let mut out = task.results(&input, range);
            task.compute(&input, range.clone(), &mut out, verdicts);
            // What is bad is so by its own worker's verdict.
            let home = verdicts.drain(..).map(|(position, _)| position).collect();
            Outcome::Done { out, home, hedged: false }
        })
    }

    /// Takes up to `records` records out of the oldest part that is late at `now`.
    fn take_late(&mut self, now: Instant, records: usize) -> Option<(Entry, Held<T, K::In>, Path)> {
        self.away.take_late(now, self.late()?, records)
    }
}
