//! A task's lane: the parts that wait, and when a request is made of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::sync::{Notify, mpsc};

use super::handle::Line;
use super::request::Request;
use super::{Failure, Outcome, Part};
use crate::task::Task;

/// A lane, which runs as long as its bridge: what it holds then is dropped, and so comes home.
pub(super) struct LaneTask<K: Task> {
    pub task: Arc<K>,
    pub line: Arc<Line>,
    /// Parts from the workers, and the bell that says that there are some.
    pub parts: Receiver<Part<K>>,
    pub bell: Arc<Notify>,
    pub waiting: VecDeque<Part<K>>,
    /// Records that wait there.
    pub records: usize,
    /// Halves of requests that were too large, each to be sent by itself.
    pub halves: VecDeque<Vec<Part<K>>>,
}

impl<K: Task> LaneTask<K> {
    pub(super) async fn run(mut self) {
        // A request that is over gives back its halves if it was too large.
        let (over, mut ended) = mpsc::unbounded_channel::<Vec<Vec<Part<K>>>>();
        let mut in_flight = 0;
        let mut closed = self.line.closed.subscribe();
        loop {
            self.take_in();
            if *closed.borrow_and_update() {
                self.all_home();
            }
            while in_flight < self.line.settings.max_in_flight && self.is_ready(in_flight) {
                let Some(request) = self.next_request() else { continue };
                in_flight += 1;
                let (line, task, over) =
                    (Arc::clone(&self.line), Arc::clone(&self.task), over.clone());
                line.live.add(|live| &live.in_flight, 1);
                tokio::spawn(async move {
                    let halves = request.run(&line, &task).await;
                    line.live.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    line.note_cpu();
                    // The lane outlives its requests, or the bridge is gone.
                    let _ = over.send(halves);
                });
            }
            let linger =
                self.linger_left().filter(|_| in_flight < self.line.settings.max_in_flight);
            tokio::select! {
                () = self.bell.notified() => {}
                Some(halves) = ended.recv() => {
                    in_flight -= 1;
                    self.halves.extend(halves);
                }
                () = tokio::time::sleep(linger.unwrap_or_default()), if linger.is_some() => {}
                _ = closed.changed() => {}
            }
        }
    }

    /// Takes in what the workers have handed over.
    fn take_in(&mut self) {
        while let Ok(part) = self.parts.try_recv() {
            self.records += part.records();
            self.waiting.push_back(part);
        }
    }

    fn all_home(&mut self) {
        self.records = 0;
        for part in self.halves.drain(..).flatten().chain(self.waiting.drain(..)) {
            part.answer(Outcome::Home(Failure::Closed));
        }
    }

    /// Whether a request should go now.
    fn is_ready(&self, in_flight: usize) -> bool {
        !self.halves.is_empty()
            || self.records > 0
                && (in_flight == 0
                    || self.records >= self.line.settings.batch_records
                    || self.linger_left().is_some_and(|left| left.is_zero()))
    }

    fn linger_left(&self) -> Option<Duration> {
        let oldest = self.waiting.front()?;
        Some(self.line.settings.linger.saturating_sub(oldest.handed_over().elapsed()))
    }

    fn next_request(&mut self) -> Option<Request<K>> {
        let task = self.task.as_ref();
        let settings = &self.line.settings;
        let request = match self.halves.pop_front() {
            // It fitted when it was a whole.
            Some(half) => {
                let most = settings.batch_bytes;
                Request::fill(&mut half.into(), task, usize::MAX, most, most)
            }
            None => {
                let (records, most) = (settings.batch_records, settings.batch_bytes);
                let limit = self.line.request_limit();
                let request = Request::fill(&mut self.waiting, task, records, limit, most);
                self.records -= request.records + request.home;
                request
            }
        };
        (request.records > 0).then_some(request)
    }
}
