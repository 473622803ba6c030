//! A task's lane: the parts that wait, and when a request is made of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::flight::Slot;
use super::handle::Ends;
use super::line::Line;
use super::probe;
use super::request::Request;
use super::{Failure, WorkItem};
use crate::task::Task;

/// A lane, which runs as long as its bridge: what it holds then is dropped, and so comes home.
pub(super) struct LaneTask<K: Task> {
    pub task: Arc<K>,
    pub line: Arc<Line>,
    /// Parts from the workers, and the other end.
    pub parts: Receiver<WorkItem<K>>,
    pub ends: Arc<Ends<K>>,
    pub waiting: VecDeque<WorkItem<K>>,
    /// Records that wait there.
    pub records: usize,
    /// Whether they go although they fill no request.
    pub at_once: bool,
    /// Halves of requests that were too large, and requests that were throttled: each to be sent by itself.
    pub halves: VecDeque<Vec<WorkItem<K>>>,
}

impl<K: Task> LaneTask<K> {
    pub(super) async fn run(mut self) {
        // A request that is over gives back its halves if it was too large.
        let (over, mut ended) = mpsc::unbounded_channel::<Vec<Vec<WorkItem<K>>>>();
        let mut closed = self.line.closed.subscribe();
        let mut news = self.line.news.subscribe();
        if self.line.settings.probes_at_start {
            tokio::spawn(probe::at_start(Arc::clone(&self.line), Arc::clone(&self.task)));
        }
        loop {
            news.borrow_and_update();
            self.take_in();
            if *closed.borrow_and_update() {
                self.all_home(&Failure::Closed);
            } else {
                self.look_at_the_remote_side();
            }
            let line = Arc::clone(&self.line);
            let freed = line.bodies.freed();
            while self.may_send() && self.is_ready() && self.has_memory() {
                let Some(request) = self.next_request() else { continue };
                let (line, task, over) =
                    (Arc::clone(&self.line), Arc::clone(&self.task), over.clone());
                let slot = Slot::take(&line);
                tokio::spawn(async move {
                    let halves = request.run(&line, &task, slot).await;
                    line.note_cpu();
                    // The lane outlives its requests, or the bridge is gone.
                    let _ = over.send(halves);
                });
            }
            self.line.tell_waiters();
            let waits_for_memory = !self.has_memory();
            let linger = self.waiting.front().filter(|_| self.may_send() && !waits_for_memory);
            let linger = linger.map(|oldest| oldest.handed_over() + self.line.settings.linger);
            let look = self.line.gate(|gate, _| gate.next_look());
            let look = look.map(|at| self.line.instant(at));
            let wake_up = [linger, look].into_iter().flatten().min();
            tokio::select! {
                () = self.ends.bell.notified() => {}
                Some(halves) = ended.recv() => {
                    self.halves.extend(halves);
                }
                () = sleep_until(wake_up.unwrap_or_else(Instant::now)), if wake_up.is_some() => {}
                () = freed, if waits_for_memory => {}
                _ = news.changed() => {}
                _ = closed.changed() => {}
            }
        }
    }

    /// Takes in what the workers have handed over.
    fn take_in(&mut self) {
        let before = self.records;
        while let Ok(part) = self.parts.try_recv() {
            self.records += part.records();
            self.at_once |= part.is_at_once();
            self.waiting.push_back(part);
        }
        let more = self.records - before;
        self.line.gate(|gate, now| gate.wanted(now, more));
    }

    /// While the breaker is open, work stays home, and a probe goes now and then; it stays home too while
    /// the budget is spent. While all is well, environments are started for what is expected.
    fn look_at_the_remote_side(&mut self) {
        let line = &self.line;
        let expected = self.ends.take_expected();
        if line.gate(|gate, _| gate.health().is_open()) {
            self.all_home(&Failure::BreakerOpen);
        } else if !line.gate(|gate, _| gate.affords()) {
            self.all_home(&Failure::OverBudget);
        } else if expected > 0 {
            let work = line.work();
            let more = line.gate(|gate, now| gate.warms_up(now, expected as f64, work));
            for _ in 0..more {
                tokio::spawn(probe::warm_up(Arc::clone(line), Arc::clone(&self.task)));
            }
        }
        let line = &self.line;
        if line.gate(|gate, now| gate.begins_probe(now)) {
            tokio::spawn(probe::while_open(Arc::clone(line), Arc::clone(&self.task)));
        }
    }

    fn all_home(&mut self, failure: &Failure) {
        self.has_left(self.records);
        for part in self.halves.drain(..).flatten().chain(self.waiting.drain(..)) {
            part.send_home(0.0, failure);
        }
    }

    /// Records do not wait here any more.
    fn has_left(&mut self, records: usize) {
        self.records -= records;
        self.at_once &= self.records > 0;
        self.line.waiting.fetch_sub(records, Relaxed);
    }

    /// Whether a request may go now. Its environment may be cold if that is right for the newest part:
    /// the older ones have waited for longer, and home is further behind with them.
    fn may_send(&self) -> bool {
        let warm_only =
            self.halves.is_empty() && self.waiting.back().is_some_and(WorkItem::is_warm_only);
        self.line.gate(|gate, _| gate.may_send(warm_only))
    }

    /// Whether a request should go now.
    fn is_ready(&self) -> bool {
        let line = &self.line;
        !self.halves.is_empty()
            || self.records > 0
                && (self.at_once
                    || self.records >= line.gate(|gate, _| gate.most_records())
                    || line.live.in_flight.load(Relaxed) == 0
                    || self.linger_left().is_some_and(|left| left.is_zero()))
    }

    /// Whether the bodies of another request and of its answer would be within the bound.
    fn has_memory(&self) -> bool {
        self.line.bodies.have_room(self.line.settings.largest_exchange())
    }

    fn linger_left(&self) -> Option<Duration> {
        let oldest = self.waiting.front()?;
        Some(self.line.settings.linger.saturating_sub(oldest.handed_over().elapsed()))
    }

    fn next_request(&mut self) -> Option<Request<K>> {
        let task = Arc::clone(&self.task);
        let settings = &self.line.settings;
        let request = match self.halves.pop_front() {
            // It fitted when it was a whole.
            Some(half) => {
                let most = settings.batch_bytes;
                Request::fill(&mut half.into(), task.as_ref(), usize::MAX, most, most)
            }
            None => {
                self.drop_done();
                let settings = &self.line.settings;
                let records = self.line.gate(|gate, _| gate.most_records());
                let most = settings.batch_bytes;
                let limit = self.line.request_limit();
                let request = Request::fill(&mut self.waiting, task.as_ref(), records, limit, most);
                self.has_left(request.records + request.home);
                request
            }
        };
        (request.records > 0).then(|| request.with_memory(&self.line))
    }

    /// Lets go of what the workers have done themselves while it waited.
    fn drop_done(&mut self) {
        while let Some(part) = self.waiting.front().filter(|part| !part.is_open()) {
            self.has_left(part.records());
            self.waiting.pop_front();
        }
    }
}
