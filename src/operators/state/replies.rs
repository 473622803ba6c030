//! Handles replies: results are emitted, verified first, or returned to the queue. Where workers cannot compute the
//! records, those that are returned are bad. What the pool refuses is bad too.

use std::ops::Range;
use std::sync::Arc;

use timely::Container;
use timely::progress::Timestamp;

use super::work::expand;
use super::{BurstState, Origin, Outputs, Refusal};
use crate::batch::Records;
use crate::bridge::{Failure, Outcome, Reply};
use crate::operators::Route;
use crate::operators::verify::{Verdict, Verification};
use crate::task::{Code, Task};

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    /// Emits the results that have arrived, and puts returned records back into the queue.
    pub(in crate::operators) fn replies(&mut self, outputs: &mut Outputs<'_, T, K>) {
        self.reply_receiver.rearm();
        while let Some(Reply { id, range, usd, outcome }) = self.reply_receiver.try_recv() {
            if let Outcome::Done { out, refused, .. } = &outcome
                && self.check_pooled(id, out, refused, outputs)
            {
                self.pool_answered(range.len());
                continue;
            }
            let Some((entry, origin, route)) = self.scheduler.answered(id, range.len()) else {
                continue;
            };
            if route.is_of_worker() {
                self.pool_answered(range.len());
            }
            self.epochs.get(&origin.epoch).stats.usd += usd;
            self.observer.paid(usd);
            match outcome {
                Outcome::Done { out, refused, hedged } => {
                    if route == Route::Remote {
                        self.scheduler.paid(range.len(), usd);
                    }
                    let route = if hedged { Route::Hedged } else { route };
                    let checks = if route.is_remote() {
                        self.sampler.choose(&range, &refused)
                    } else {
                        Vec::new()
                    };
                    let verification =
                        Verification { entry, origin, range, out, refused, route, checks };
                    if verification.checks.is_empty() {
                        self.emit_results(verification, outputs);
                    } else {
                        self.verifying.push_back(verification);
                    }
                }
                // Without a bridge there is nobody left who could do a call: its records stay undone.
                Outcome::Returned(failure) if self.is_only_side && failure != Failure::Closed => {
                    let bad = range.map(|position| (position, failure.code())).collect();
                    self.finish_bad(&origin, bad, outputs);
                }
                Outcome::Returned(_) => self.scheduler.put_returned(entry, range, origin),
            }
        }
    }

    /// Emits records of a container that are bad without a worker's computing them.
    fn finish_bad(
        &mut self,
        origin: &Origin<T, K::In>,
        mut bad: Vec<(usize, Code)>,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let bytes = bad.len() * origin.record_bytes;
        expand(&*origin.batch, &mut bad);
        self.backpressure.remove(bad.len(), bytes);
        self.epochs.get(&origin.epoch).pending -= bad.len() as u64;
        self.emit_bad(origin, &mut bad, outputs);
    }

    /// Emits the results of the remote side or a peer, and queues the records that it refused. Where workers cannot
    /// compute these, they are bad.
    fn emit_results(&mut self, verified: Verification<T, K>, outputs: &mut Outputs<'_, T, K>) {
        let Verification { entry, origin, range, mut out, refused, route, .. } = verified;
        let records = range.len();
        let scheduled = entry.scheduled.slice(&relative_to(&range, &entry.range), entry.records());
        let bytes = (records - refused.len()) * origin.record_bytes;
        let weight = |range: &Range<usize>| origin.batch.weight(range);
        let done =
            weight(&range) - refused.iter().map(|(at, _)| weight(&(*at..at + 1))).sum::<usize>();
        if self.is_only_side || route.is_of_worker() {
            self.judge_refusal(&origin.batch, &range, &refused);
            self.finish_bad(&origin, refused, outputs);
        } else {
            if let (true, None, Some((position, code))) =
                (route.is_remote(), &self.refusal, refused.first())
            {
                let (batch, position) = (Arc::clone(&origin.batch), *position);
                self.refusal = Some(Refusal { batch, position, code: code.clone() });
            }
            for (position, _) in &refused {
                self.scheduler.put_returned(entry.clone(), *position..position + 1, origin.clone());
            }
        }
        let mut bad = std::mem::take(&mut self.verdicts);
        self.task.finish(&origin.batch, &mut out, &mut bad);
        let good = done - bad.len();
        self.backpressure.remove(done, bytes);
        let epoch = self.epochs.get(&origin.epoch);
        epoch.pending -= done as u64;
        epoch.stats.count(route, good as u64);
        outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
        let now = self.clock.now();
        self.scheduler.completed(now, route, scheduled, records);
        self.observer.results(&origin.epoch, route, scheduled, good, now);
        self.emit_bad(&origin, &mut bad, outputs);
        self.verdicts = bad;
    }

    /// Verifies up to `most` records of a reply. If one result differs, the whole reply is
    /// discarded.
    pub(super) fn check(
        &mut self,
        mut verification: Verification<T, K>,
        most: usize,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let (checked, verdict) = verification.check(&*self.task, most, &mut self.verdicts);
        self.conclude(verification, checked, verdict, outputs);
    }

    /// Does what follows from a verdict on a reply, of which `checked` more records were verified.
    pub(super) fn conclude(
        &mut self,
        verification: Verification<T, K>,
        checked: usize,
        verdict: Verdict,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        match verdict {
            Verdict::Unfinished => {
                self.observer.verified(self.scheduler.weigh(checked));
                self.verifying.push_front(verification);
            }
            Verdict::Match => {
                self.observer.verified(self.scheduler.weigh(checked));
                self.emit_results(verification, outputs);
            }
            Verdict::Mismatch(at, here) => {
                if !std::mem::replace(&mut self.has_differed, true) {
                    let record = verification.origin.batch.describe(at);
                    let remote = verification.shown(&*self.task, at);
                    if !self.observer.mismatch(&record, &remote, &here) {
                        tracing::error!(
                            "the remote result of {record} differs from the worker's: {remote}, and here {here}; \
                             nothing more is sent"
                        );
                    }
                }
                if let Some(remote) = &self.remote {
                    remote.disable();
                }
                let Verification { entry, origin, range, .. } = verification;
                self.scheduler.put_returned(entry, range, origin);
            }
        }
    }
}

/// `range` as positions within `of`.
fn relative_to(range: &Range<usize>, of: &Range<usize>) -> Range<usize> {
    range.start - of.start..range.end - of.start
}
