//! A task's lane: the parts that wait, and when a request is made of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::handle::Line;
use super::request::Request;
use super::{Failure, Outcome, Part};
use crate::task::Task;

/// Runs a lane until all handles to it are gone and everything is answered.
pub(super) struct LaneTask<K: Task> {
    pub task: Arc<K>,
    pub line: Arc<Line>,
    /// Parts from the workers, and the bell that says that there are some.
    pub parts: Receiver<Part<K>>,
    pub bell: Arc<Notify>,
    pub waiting: VecDeque<Part<K>>,
    /// Records that wait, and since when the oldest has.
    pub records: usize,
    pub oldest: Option<Instant>,
}

impl<K: Task> LaneTask<K> {
    pub(super) async fn run(mut self) {
        // Requests that are over give back what is to be sent again, mostly nothing.
        let (over, mut ended) = mpsc::unbounded_channel::<Vec<Part<K>>>();
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
                    let again = request.run(&line, &task).await;
                    line.live.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    line.note_cpu();
                    // The lane outlives its requests, or the bridge is gone.
                    let _ = over.send(again);
                });
            }
            let linger =
                self.linger_left().filter(|_| in_flight < self.line.settings.max_in_flight);
            tokio::select! {
                () = self.bell.notified() => {}
                Some(again) = ended.recv() => {
                    in_flight -= 1;
                    self.again(again);
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
            self.oldest.get_or_insert_with(Instant::now);
            self.waiting.push_back(part);
        }
    }

    /// Puts halves of a request that was too large back to the front, each to be sent by itself:
    /// the limit has shrunk with what was learnt, so they will not be joined again.
    fn again(&mut self, again: Vec<Part<K>>) {
        for part in again.into_iter().rev() {
            self.records += part.records();
            self.oldest.get_or_insert_with(Instant::now);
            self.waiting.push_front(part);
        }
    }

    fn all_home(&mut self) {
        self.records = 0;
        self.oldest = None;
        for part in self.waiting.drain(..) {
            part.answer(Outcome::Home(Failure::Closed));
        }
    }

    /// Whether a request should go now.
    fn is_ready(&self, in_flight: usize) -> bool {
        self.records > 0
            && (in_flight == 0
                || self.records >= self.line.settings.batch_records
                || self.linger_left().is_some_and(|left| left.is_zero()))
    }

    fn linger_left(&self) -> Option<Duration> {
        let linger = self.line.settings.linger;
        self.oldest.map(|oldest| linger.saturating_sub(oldest.elapsed()))
    }

    fn next_request(&mut self) -> Option<Request<K>> {
        let records = self.line.settings.batch_records;
        let limit = self.line.request_limit();
        let request = Request::fill(&mut self.waiting, self.task.as_ref(), records, limit);
        self.records = self.waiting.iter().map(Part::records).sum();
        self.oldest = (self.records > 0).then(Instant::now);
        (request.records > 0).then_some(request)
    }
}
