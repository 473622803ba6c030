//! Computes records in slices: verification, records of peers, the worker's own records, and late
//! records.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::Container;
use timely::progress::Timestamp;

use super::{BurstState, Origin, Outputs, Refusal};
use crate::batch::{Records, Span};
use crate::bridge::{Offer, Outcome, WorkItem};
use crate::operators::Route;
use crate::task::{Bad, Code, Task};

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    /// Fills the pool, if there is one. Otherwise works for about one slice: first verification, then records of peers, then the front of the
    /// queue, then late records.
    pub(in crate::operators) fn work(
        &mut self,
        offer: Option<Offer>,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        if self.pool.is_some() {
            return self.fill_pool(offer);
        }
        let began = Instant::now();
        self.scheduler.resume(self.clock.now(), offer);
        let (mut spent, mut useful, mut done) = (Duration::ZERO, Duration::ZERO, 0);
        while spent < self.slice {
            let fit = self.scheduler.records_within(self.slice - spent);
            let (records, weight) = if let Some(verification) = self.verifying.pop_front() {
                self.check(verification, fit, outputs);
                // A record that is computed for verification does not count as done.
                let until_now = began.elapsed();
                self.scheduler.record_other(until_now - spent);
                spent = until_now;
                continue;
            } else if let Some(item) = self.peer_queue.next(fit) {
                self.work_for_peer(item)
            } else if let Some((entry, origin, route)) =
                self.scheduler.next(self.clock.now(), fit, offer)
            {
                let (range, scheduled) = (entry.range.clone(), entry.scheduled);
                self.compute(&origin, range.clone(), scheduled, route, outputs);
                (range.len(), origin.batch.weight(&range))
            } else {
                break;
            };
            let until_now = began.elapsed();
            self.scheduler.record(records, until_now - spent);
            done += weight;
            useful += until_now - spent;
            spent = until_now;
        }
        if done > 0 {
            self.observer.computed(done, useful);
        }
        self.scheduler.pause(self.clock.now(), offer);
    }

    /// Computes records on this worker, and emits their results.
    fn compute(
        &mut self,
        origin: &Origin<T, K::In>,
        range: Range<usize>,
        scheduled: Span,
        route: Route,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let mut out = self.task.results(&origin.batch, &range);
        self.task.compute(&origin.batch, range.clone(), &mut out, &mut self.verdicts);
        let mut bad = std::mem::take(&mut self.verdicts);
        self.judge_refusal(&origin.batch, &range, &bad);
        expand(&*origin.batch, &mut bad);
        self.task.finish(&origin.batch, &mut out, &mut bad);
        let weight = origin.batch.weight(&range);
        self.backpressure.remove(weight, range.len() * origin.record_bytes);
        let epoch = self.epochs.get(&origin.epoch);
        epoch.pending -= weight as u64;
        let good = weight - bad.len();
        epoch.stats.count(route, good as u64);
        if good > 0 {
            outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
            let now = self.clock.now();
            self.scheduler.completed(now, route, scheduled, range.len());
            self.observer.results(&origin.epoch, route, scheduled, good, now);
        }
        self.emit_bad(origin, &mut bad, outputs);
        self.verdicts = bad;
    }

    /// Emits bad records by their positions in the stream of the container, and why they are bad. The list is empty
    /// afterwards.
    pub(super) fn emit_bad(
        &mut self,
        origin: &Origin<T, K::In>,
        bad: &mut Vec<(usize, Code)>,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        if bad.is_empty() {
            return;
        }
        let epoch = self.epochs.get(&origin.epoch);
        epoch.stats.bad += bad.len() as u64;
        self.observer.bad(bad.len());
        let records = bad.drain(..);
        let bad = records.map(|(at, code)| Bad { record: origin.batch.record(at), code });
        outputs.bad.session(&epoch.bad).give_iterator(bad);
    }

    /// Reports a refusal of the remote side if the record is among those that were just computed and is good.
    pub(super) fn judge_refusal(
        &mut self,
        batch: &Arc<K::In>,
        range: &Range<usize>,
        bad: &[(usize, Code)],
    ) {
        let Some(Refusal { position, code, .. }) = self.refusal.take_if(|refusal| {
            Arc::ptr_eq(&refusal.batch, batch) && range.contains(&refusal.position)
        }) else {
            return;
        };
        let is_bad = bad.iter().any(|(bad, _)| *bad == position);
        if let Some(remote) = self.remote.as_ref().filter(|_| !is_bad) {
            remote.report_wrongly_refused(&code);
        }
    }

    /// Computes records of a peer. Returns how many it computed, and their weight.
    fn work_for_peer(&mut self, item: WorkItem<K>) -> (usize, usize) {
        let (task, verdicts) = (&self.task, &mut self.verdicts);
        let (input, mut weight) = (Arc::clone(item.input()), 0);
        let records = item.answer(0.0, None, |range| {
            weight += input.weight(range);
            let mut out = task.results(&input, range);
            task.compute(&input, range.clone(), &mut out, verdicts);
            // Only the worker that owns a record may call it bad: the record is returned to it.
            Outcome::Done { out, refused: std::mem::take(verdicts), hedged: false }
        });
        (records, weight)
    }
}

/// Replaces bad records of a batch by the records of the stream that they stand for.
pub(super) fn expand<R: Records>(batch: &R, bad: &mut Vec<(usize, Code)>) {
    if R::MAX_WEIGHT == 1 || bad.is_empty() {
        return;
    }
    let positions = |at: usize| {
        let first = batch.weight(&(0..at));
        first..first + batch.weight(&(at..at + 1))
    };
    let each = bad.drain(..).flat_map(|(at, code)| positions(at).map(move |at| (at, code.clone())));
    *bad = each.collect();
}
