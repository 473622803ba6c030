//! Counts what the operators of a worker do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Failures, RunError};
use crate::batch::{Nanos, Span};
use crate::job::IsLast;
use crate::observe::{ProcessStats, WorkerStats};
use crate::operators::{Clock, EpochStats, Observer, Route};
use crate::policy::Offered;
use crate::schedule::BurstWindow;
use crate::terminal::shorten;

/// Results that wait for their epoch's commit, by epoch: their scheduled times, and their number.
type Uncommitted = Rc<RefCell<BTreeMap<u64, Vec<(Span, usize)>>>>;

/// The observer of one worker. Clones share their counts.
#[derive(Clone)]
pub(super) struct MetricsObserver {
    process: ProcessStats,
    worker: Arc<WorkerStats>,
    clock: Clock,
    burst: Option<BurstWindow>,
    held: usize,
    in_flight: usize,
    uncommitted: Uncommitted,
    failures: Failures,
    /// The number of the stage, and whether it is the last one. None for the results of a dataflow without stages.
    stage: Option<(usize, IsLast)>,
    /// Whether the stage is a call: its records are not sent by a policy.
    is_call: bool,
    rates: StageRates,
}

/// How many records each stage of a worker has received, and its true rate in records per second of useful time.
#[derive(Clone, Default)]
struct StageRates(Rc<RefCell<Vec<(u64, f64)>>>);

impl StageRates {
    fn received(&self, stage: usize, records: usize) {
        if let Some((received, _)) = self.0.borrow_mut().get_mut(stage) {
            *received += records as u64;
        }
    }

    /// Notes the true rate of a stage. Returns that of the chain of stages: records of the first stage a second,
    /// if the worker does nothing but them and what they become. None while a rate is not known.
    fn chain(&self, stage: usize, records_per_second: f64) -> Option<f64> {
        let mut rates = self.0.borrow_mut();
        rates.get_mut(stage)?.1 = records_per_second;
        let first = rates.first()?.0.max(1) as f64;
        let seconds: f64 =
            rates.iter().map(|&(received, rate)| received as f64 / first / rate).sum();
        (seconds.is_normal() && seconds > 0.0).then(|| 1.0 / seconds)
    }
}

impl MetricsObserver {
    /// Returns the observer of the worker's next stage.
    pub(super) fn stage(&self, is_last: IsLast, is_call: bool) -> Self {
        let mut rates = self.rates.0.borrow_mut();
        // A call takes no time of the worker's.
        rates.push((0, if is_call { f64::INFINITY } else { 0.0 }));
        MetricsObserver { stage: Some((rates.len() - 1, is_last)), is_call, ..self.clone() }
    }

    /// Whether the results are those of the run.
    fn is_last(&self) -> bool {
        self.stage.as_ref().is_none_or(|(_, is_last)| is_last.get())
    }

    /// Returns the number of the stage.
    fn number(&self) -> usize {
        self.stage.as_ref().map_or(0, |(number, _)| *number)
    }

    pub(super) fn new(
        process: &ProcessStats,
        index: usize,
        clock: Clock,
        burst: Option<BurstWindow>,
        failures: &Failures,
    ) -> Self {
        MetricsObserver {
            process: process.clone(),
            worker: process.worker(index),
            clock,
            burst,
            held: 0,
            in_flight: 0,
            uncommitted: Uncommitted::default(),
            failures: failures.clone(),
            stage: None,
            is_call: false,
            rates: StageRates::default(),
        }
    }

    /// Notes that all epochs before `epoch` (or all, if `None`) were committed at `now`.
    pub(super) fn committed_before(&self, epoch: Option<u64>, now: Nanos) {
        let mut uncommitted = self.uncommitted.borrow_mut();
        let later = epoch.map(|epoch| uncommitted.split_off(&epoch)).unwrap_or_default();
        let committed = std::mem::replace(&mut *uncommitted, later);
        if let Some((&last, _)) = committed.last_key_value() {
            self.process.committed_before(last + 1, now);
        }
        self.worker.committed(committed.into_values().flatten(), now);
    }
}

impl Observer<u64> for MetricsObserver {
    fn results(&mut self, epoch: &u64, path: Route, scheduled: Span, records: usize, now: Nanos) {
        if !self.is_last() {
            return;
        }
        // A batch is cut where the rate changes: all of it is in the burst, or none.
        let in_burst = self.burst.as_ref().is_some_and(|burst| burst.contains(scheduled.first));
        self.worker.results(path, scheduled, records, now, in_burst);
        self.uncommitted.borrow_mut().entry(*epoch).or_default().push((scheduled, records));
    }

    fn bad(&mut self, records: usize) {
        self.worker.bad(records, self.clock.now());
    }

    fn verified(&mut self, records: usize) {
        self.worker.verified.fetch_add(records as u64, Relaxed);
    }

    fn mismatch(&mut self, record: &str, remote: &str, here: &str) -> bool {
        const SHOWN: usize = 100;
        let shown = |result| shorten(result, SHOWN).into_owned();
        let (record, remote, here) = (record.to_owned(), shown(remote), shown(here));
        self.failures.fail(RunError::VerifyMismatch { record, remote, here });
        true
    }

    fn sent(&mut self, _: usize, now: Nanos) {
        if !self.is_call {
            self.worker.sent(now);
        }
    }

    fn backlog(&mut self, queued: usize, in_flight: usize) {
        let held = queued + in_flight;
        self.process.backlog_changed(self.held, held);
        self.process.in_flight_changed(self.in_flight, in_flight);
        (self.held, self.in_flight) = (held, in_flight);
    }

    fn received(&mut self, records: usize) {
        self.rates.received(self.number(), records);
    }

    fn computed(&mut self, _: usize, time: Duration) {
        self.worker.useful.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    fn offered(&mut self, _: &u64, offered: Offered) {
        if self.number() > 0 {
            return;
        }
        self.process.offered(offered.total as f64 * 1e9 / offered.length.max(1) as f64);
    }

    fn true_rate(&mut self, records_per_second: f64) {
        if let Some(rate) = self.rates.chain(self.number(), records_per_second) {
            self.worker.true_rate(rate);
        }
    }

    fn epoch_completed(&mut self, epoch: &u64, stats: &EpochStats) {
        tracing::debug!(epoch, ?stats, "epoch complete");
    }
}
