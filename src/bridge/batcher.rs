//! The batcher of a task: it holds the work items that wait, and decides when a request is made of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::attempt_permit::AttemptPermit;
use super::probe;
use super::request::Request;
use super::shared::Shared;
use super::task_channel::TaskChannel;
use super::{Failure, WorkItem};
use crate::task::Task;

/// A batcher runs as long as its bridge. When it ends it drops its work items, which returns their records.
pub(super) struct Batcher<K: Task> {
    pub task: Arc<K>,
    pub shared: Arc<Shared>,
    /// Channel of work items from the workers, and the state that the workers share.
    pub items: Receiver<WorkItem<K>>,
    pub channel: Arc<TaskChannel<K>>,
    pub waiting: VecDeque<WorkItem<K>>,
    /// Number of records that wait in the batcher.
    pub records: usize,
    /// Whether they are sent although they fill no request.
    pub urgent: bool,
    /// Halves of requests that were too large, and throttled requests. Each is sent as a request of its own.
    pub halves: VecDeque<Vec<WorkItem<K>>>,
}

impl<K: Task> Batcher<K> {
    pub(super) async fn run(mut self) {
        // A request that ends gives back its halves if it was too large.
        let (over, mut ended) = mpsc::unbounded_channel::<Vec<Vec<WorkItem<K>>>>();
        let mut closed = self.shared.closed.subscribe();
        let mut changes = self.shared.changes.subscribe();
        if self.shared.settings.probes_at_start {
            tokio::spawn(probe::at_start(Arc::clone(&self.shared), Arc::clone(&self.task)));
        }
        loop {
            changes.borrow_and_update();
            self.receive();
            if *closed.borrow_and_update() {
                self.return_all(&Failure::Closed);
            } else {
                self.check_remote();
            }
            let shared = Arc::clone(&self.shared);
            let freed = shared.body_memory.freed();
            while self.may_send() && self.is_ready() && self.has_memory() {
                let Some(request) = self.next_request() else { continue };
                let (shared, task, over) =
                    (Arc::clone(&self.shared), Arc::clone(&self.task), over.clone());
                let permit = AttemptPermit::take(&shared);
                tokio::spawn(async move {
                    let halves = request.run(&shared, &task, permit).await;
                    shared.record_cpu_time();
                    // This fails only if the bridge has ended.
                    let _ = over.send(halves);
                });
            }
            self.shared.wake_waiters();
            let waits_for_memory = !self.has_memory();
            let linger = self.waiting.front().filter(|_| self.may_send() && !waits_for_memory);
            let linger = linger.map(|oldest| oldest.submitted_at() + self.shared.settings.linger);
            let look = self.shared.admission(|admission, _| admission.next_wakeup());
            let look = look.map(|at| self.shared.instant(at));
            let wake_up = [linger, look].into_iter().flatten().min();
            tokio::select! {
                () = self.channel.waker.notified() => {}
                Some(halves) = ended.recv() => {
                    self.halves.extend(halves);
                }
                () = sleep_until(wake_up.unwrap_or_else(Instant::now)), if wake_up.is_some() => {}
                () = freed, if waits_for_memory => {}
                _ = changes.changed() => {}
                _ = closed.changed() => {}
            }
        }
    }

    /// Receives the work items that the workers have handed over.
    fn receive(&mut self) {
        let before = self.records;
        while let Ok(item) = self.items.try_recv() {
            self.records += item.records();
            self.urgent |= item.is_urgent();
            self.waiting.push_back(item);
        }
        let more = self.records - before;
        self.shared.admission(|admission, now| admission.observe_demand(now, more));
    }

    /// While the breaker is open or the budget is spent, returns the waiting records to their workers; an
    /// open breaker also sends probes. Otherwise starts environments for the expected records.
    fn check_remote(&mut self) {
        let shared = &self.shared;
        let expected = self.channel.take_expected();
        if shared.admission(|admission, _| admission.health().is_open()) {
            self.return_all(&Failure::BreakerOpen);
        } else if !shared.admission(|admission, _| admission.can_afford()) {
            self.return_all(&Failure::OverBudget);
        } else if expected > 0 {
            let work = shared.work();
            let more = shared
                .admission(|admission, now| admission.warm_ups_needed(now, expected as f64, work));
            // The permits are taken at once, so that the limit and the budget cover each of them only once.
            for _ in 0..more {
                let permit = AttemptPermit::take(shared);
                tokio::spawn(probe::warm_up(Arc::clone(shared), Arc::clone(&self.task), permit));
            }
        }
        let shared = &self.shared;
        if shared.admission(|admission, now| admission.start_probe_if_due(now)) {
            let permit = AttemptPermit::take(shared);
            tokio::spawn(probe::while_open(Arc::clone(shared), Arc::clone(&self.task), permit));
        }
    }

    fn return_all(&mut self, failure: &Failure) {
        self.leave_queue(self.records);
        for item in self.halves.drain(..).flatten().chain(self.waiting.drain(..)) {
            item.return_with(0.0, failure);
        }
    }

    /// Subtracts records that no longer wait here.
    fn leave_queue(&mut self, records: usize) {
        self.records -= records;
        self.urgent &= self.records > 0;
        self.shared.waiting.fetch_sub(records, Relaxed);
    }

    /// Returns whether a request may be sent now. A cold environment is allowed if the newest work item
    /// allows it: the older ones have waited longer, and their workers have more records to compute first.
    fn may_send(&self) -> bool {
        let warm_only =
            self.halves.is_empty() && self.waiting.back().is_some_and(WorkItem::is_warm_only);
        self.shared.admission(|admission, _| admission.may_send(warm_only))
    }

    /// Returns whether a request should be sent now.
    fn is_ready(&self) -> bool {
        let shared = &self.shared;
        !self.halves.is_empty()
            || self.records > 0
                && (self.urgent
                    || self.records >= shared.admission(|admission, _| admission.max_records())
                    || shared.live.in_flight.load(Relaxed) == 0
                    || self.linger_left().is_some_and(|left| left.is_zero()))
    }

    /// Returns whether there is memory for the bodies of another request and its response.
    fn has_memory(&self) -> bool {
        self.shared.body_memory.has_room(self.shared.settings.largest_exchange())
    }

    /// Returns how long the oldest work item may still wait for its request to fill.
    fn linger_left(&self) -> Option<Duration> {
        let oldest = self.waiting.front()?;
        Some(self.shared.settings.linger.saturating_sub(oldest.submitted_at().elapsed()))
    }

    /// Returns the next request. None if workers have computed its records, or none can be sent.
    fn next_request(&mut self) -> Option<Request<K>> {
        let task = Arc::clone(&self.task);
        let settings = &self.shared.settings;
        let request = match self.halves.pop_front() {
            // It becomes one request: it was cut because the whole was too large.
            Some(half) => {
                let most = settings.batch_bytes;
                Request::fill(&mut half.into(), task.as_ref(), usize::MAX, most, most)
            }
            None => {
                self.drop_completed();
                let settings = &self.shared.settings;
                let records = self.shared.admission(|admission, _| admission.max_records());
                let most = settings.batch_bytes;
                let limit = self.shared.request_limit();
                let request = Request::fill(&mut self.waiting, task.as_ref(), records, limit, most);
                self.leave_queue(request.records + request.returned);
                request
            }
        };
        (request.records > 0).then(|| request.with_memory(&self.shared))
    }

    /// Drops work items that the workers have computed themselves.
    fn drop_completed(&mut self) {
        while let Some(item) = self.waiting.front().filter(|item| !item.is_pending()) {
            self.leave_queue(item.records());
            self.waiting.pop_front();
        }
    }
}
