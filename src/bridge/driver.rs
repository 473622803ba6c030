//! Drives a task's request machine: with records from the workers, HTTP, and the runtime's timers.

use std::collections::HashMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::WorkItem;
use super::attempt::{Attempt, Event, Transport};
use super::body::Body;
use super::core::{Action, AttemptId, Fill, Filled, Machine, Turn, Warning};
use super::request;
use super::shared::Shared;
use super::task_channel::TaskChannel;
use super::validated_response::ValidatedResponse;
use crate::sync::Receiver;
use crate::sync::atomic::Ordering::Relaxed;
use crate::task::Task;

/// A driver runs as long as its bridge. When it ends it drops its work items, which returns their records.
pub(super) struct Driver<K: Task, T> {
    transport: T,
    task: Arc<K>,
    shared: Arc<Shared>,
    /// Channel of work items from the workers, and the state that the workers share.
    items: Receiver<WorkItem<K>>,
    channel: Arc<TaskChannel<K>>,
    machine: Machine<WorkItem<K>>,
    actions: Vec<Action<WorkItem<K>>>,
    /// What attempts report.
    events: mpsc::UnboundedSender<Event<K>>,
    attempts: HashMap<AttemptId, AbortHandle>,
    /// Records that wait in the machine, as [`Shared::waiting`] has them.
    waiting: usize,
}

impl<K: Task, T: Transport<K>> Driver<K, T> {
    /// Creates a driver, and the end of the channel of what its attempts report. `random` is the source of the
    /// jitter of retries.
    pub(super) fn new(
        transport: T,
        random: StdRng,
        task: Arc<K>,
        shared: Arc<Shared>,
        items: Receiver<WorkItem<K>>,
        channel: Arc<TaskChannel<K>>,
    ) -> (Self, mpsc::UnboundedReceiver<Event<K>>) {
        let (events, reported) = mpsc::unbounded_channel();
        let machine = Machine::new(shared.settings.clone(), random);
        let driver = Driver {
            transport,
            task,
            shared,
            items,
            channel,
            machine,
            actions: Vec::new(),
            events,
            attempts: HashMap::new(),
            waiting: 0,
        };
        (driver, reported)
    }

    pub(super) async fn run(mut self, mut reported: mpsc::UnboundedReceiver<Event<K>>) {
        let shared = Arc::clone(&self.shared);
        let mut closed = shared.closed.subscribe();
        let mut changes = shared.changes.subscribe();
        let mut events = Vec::new();
        self.turn(|machine, turn| machine.begin(turn));
        loop {
            changes.borrow_and_update();
            let is_closed = *closed.borrow_and_update();
            // This notices memory that is freed from now on.
            let freed = shared.body_memory.freed();
            let (wakeup, waits_for_memory) = self.wake_up(&mut events, is_closed);
            shared.wake_waiters();
            tokio::select! {
                () = self.channel.waker.notified() => {}
                Some(event) = reported.recv() => events.push(event),
                // After a pause of the machine, answers have arrived too: the attempts report them first.
                () = sleep_until(wakeup.unwrap_or_else(Instant::now)), if wakeup.is_some() => {
                    tokio::task::yield_now().await;
                }
                () = freed, if waits_for_memory => {}
                _ = changes.changed() => {}
                _ = closed.changed() => {}
            }
            // An attempt that has ended is not late, whatever the driver woke up for.
            while let Ok(event) = reported.try_recv() {
                events.push(event);
            }
        }
    }

    /// Tells the machine what has happened, and makes the requests that may be sent. Returns when there is
    /// something to do without an event, and whether a request waits for memory.
    fn wake_up(&mut self, events: &mut Vec<Event<K>>, is_closed: bool) -> (Option<Instant>, bool) {
        let before = self.attempts.len();
        for event in &*events {
            if let Event::Ended(attempt, ..) = event {
                self.attempts.remove(attempt);
            }
        }
        let has_ended = self.attempts.len() < before;
        let (channel, shared) = (Arc::clone(&self.channel), Arc::clone(&self.shared));
        let now = shared.now();
        while let Ok(item) = self.items.try_recv() {
            self.waiting += item.records();
            self.machine.hand_over(now, item);
        }
        let mut responses = HashMap::new();
        let mut has_memory = self.has_memory();
        let mut next = self.turn(|machine, turn| {
            for event in events.drain(..) {
                match event {
                    Event::OnWire(attempt) => machine.on_wire(turn.admission, turn.now, attempt),
                    Event::Ended(attempt, ended, response) => {
                        responses.extend(response.map(|response| (attempt, response)));
                        machine.ended(turn, attempt, ended);
                    }
                }
            }
            turn.admission.set_local_record_time(shared.local_record_time());
            machine.expect(channel.take_expected() as f64);
            if is_closed {
                machine.close(turn);
            }
            machine.advance(turn);
            if has_memory { machine.next_request(turn.admission, turn.now) } else { None }
        });
        self.act(&mut responses);
        while let Some(fill) = next {
            let filled = self.fill(fill);
            has_memory = self.has_memory();
            next = self.turn(|machine, turn| {
                machine.send(turn, filled);
                if has_memory { machine.next_request(turn.admission, turn.now) } else { None }
            });
            self.act(&mut responses);
        }
        self.publish_waiting();
        if has_ended {
            self.shared.record_cpu_time();
        }
        debug_assert_eq!(self.attempts.len(), self.machine.attempts());
        let waits_for_memory = !has_memory;
        let wakeup =
            self.turn(|machine, turn| machine.next_wakeup(turn.admission, waits_for_memory));
        (wakeup.map(|at| self.shared.instant(at)), waits_for_memory)
    }

    /// Calls the machine.
    fn turn<R>(
        &mut self,
        call: impl FnOnce(&mut Machine<WorkItem<K>>, &mut Turn<'_, WorkItem<K>>) -> R,
    ) -> R {
        let Driver { machine, shared, actions, .. } = self;
        shared.admission(|admission, now| call(machine, &mut Turn { admission, now, actions }))
    }

    /// Does what the machine wants.
    fn act(&mut self, responses: &mut HashMap<AttemptId, Box<ValidatedResponse<K>>>) {
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Send { attempt, body, is_hedge } => self.send(attempt, body, is_hedge),
                Action::Cancel(attempt) => {
                    if let Some(running) = self.attempts.remove(&attempt) {
                        running.abort();
                    }
                }
                Action::Deliver { attempt, items, body, usd, is_hedge } => {
                    if let Some(response) = responses.remove(&attempt) {
                        let memory = body.and_then(|body| body.take_memory());
                        let (task, shared) = (Arc::clone(&self.task), Arc::clone(&self.shared));
                        // A panic of the task's code returns the records of this request only.
                        tokio::spawn(async move {
                            let delivered = response.deliver(items, &*task, usd, is_hedge, memory);
                            shared.count(|counters| {
                                counters.records_done += delivered.done as u64;
                                counters.superseded += delivered.superseded as u64;
                            });
                        });
                    }
                }
                Action::Return { items, usd, failure } => {
                    items.into_iter().for_each(|item| item.return_with(usd, &failure));
                }
                Action::Warn(Warning::Request(failure)) => self.shared.warn_once(&failure),
                Action::Warn(Warning::Endpoint(failure)) => self.shared.warn_of_endpoint(&failure),
            }
        }
    }

    /// Starts an attempt.
    fn send(&mut self, id: AttemptId, body: Option<Body>, is_hedge: bool) {
        let attempt = Attempt {
            id,
            body,
            is_hedge,
            task: Arc::clone(&self.task),
            shared: Arc::clone(&self.shared),
            events: self.events.clone(),
        };
        let running = tokio::spawn(self.transport.send(attempt));
        self.attempts.insert(id, running.abort_handle());
    }

    /// Makes a request.
    fn fill(&mut self, fill: Fill<WorkItem<K>>) -> Filled<WorkItem<K>> {
        let most = self.shared.settings.batch_bytes;
        match fill {
            // The memory was enough for the whole request, so it is enough for a half.
            Fill::Again(items) => {
                let filled = request::fill(
                    &mut items.into(),
                    &*self.task,
                    usize::MAX,
                    most,
                    most,
                    &self.shared,
                );
                Filled { taken: 0, ..filled }
            }
            Fill::Front(records) => {
                let limit = self.shared.request_limit();
                let waiting = self.machine.waiting_mut();
                request::fill(waiting, &*self.task, records, limit, most, &self.shared)
            }
        }
    }

    /// Returns whether there is memory for the bodies of another request and its response.
    fn has_memory(&self) -> bool {
        self.shared.body_memory.has_room(self.shared.settings.largest_exchange())
    }

    /// Tells the workers how many records wait.
    fn publish_waiting(&mut self) {
        let waiting = self.machine.waiting();
        let shared = &self.shared.waiting;
        if waiting > self.waiting {
            shared.fetch_add(waiting - self.waiting, Relaxed);
        } else {
            shared.fetch_sub(self.waiting - waiting, Relaxed);
        }
        self.waiting = waiting;
    }
}

/// A driver that ends before its bridge, because the task's code panicked, takes no more records: they stay
/// with the workers.
impl<K: Task, T> Drop for Driver<K, T> {
    fn drop(&mut self) {
        self.shared.closed.send_replace(true);
        self.shared.wake_waiters();
    }
}
