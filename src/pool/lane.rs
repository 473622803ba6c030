//! One process of a pool: takes work, invokes the function, and finds the records for which it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PoolError;
use super::queue::Queue;
use super::verdict::{self, TRIES, Trust};
use crate::batch::Records as _;
use crate::bridge::core::Item as _;
use crate::bridge::{Outcome, ValidatedResponse, WorkItem};
use crate::emulator::{FunctionProcess, FunctionProcesses, InvokeError, InvokeErrorKind};
use crate::task::Task;
use crate::wire::RequestBody;

/// The work items of one request.
type Items<K> = Vec<WorkItem<K>>;

/// A process, and what it works for.
pub(super) struct Lane<K: Task> {
    task: Arc<K>,
    queue: Arc<Queue<K>>,
    processes: Arc<FunctionProcesses>,
    trust: Arc<Trust>,
    /// None if it has ended.
    process: Option<FunctionProcess>,
    /// Records for which a function failed that has never answered.
    undecided: Items<K>,
}

impl<K: Task> Lane<K> {
    pub(super) fn new(
        task: Arc<K>,
        queue: Arc<Queue<K>>,
        processes: Arc<FunctionProcesses>,
        trust: Arc<Trust>,
        process: FunctionProcess,
    ) -> Self {
        let (process, undecided) = (Some(process), Vec::new());
        Lane { task, queue, processes, trust, process, undecided }
    }

    /// Works until the pool cannot go on, and returns why.
    pub(super) async fn run(mut self) -> PoolError {
        loop {
            let items = match self.undecided.is_empty() {
                true => self.queue.take().await,
                false => self.queue.take_now(),
            };
            let worked = match items.is_empty() {
                false => self.compute(items).await,
                // Nothing else can show whether the function works.
                true => self.decide().await,
            };
            if let Err(error) = worked {
                return error;
            }
        }
    }

    /// Computes the records of a request. What fails is halved until it has one record.
    async fn compute(&mut self, items: Items<K>) -> Result<(), PoolError> {
        let mut parts = vec![items];
        while let Some(mut items) = parts.pop() {
            let Err(failure) = self.attempt(&mut items).await? else { continue };
            let is_trusted = self.trust.has_answered();
            match records(&items) {
                1 if is_trusted => self.judge(items, failure).await?,
                1 => {
                    self.undecided.append(&mut items);
                    if self.trust.failed(&failure) {
                        return Err(PoolError::Fails(failure.message));
                    }
                }
                records => {
                    // A function that has never answered is tried with one record after the other.
                    let first = if is_trusted { records / 2 } else { 1 };
                    let first = split(&mut items, first);
                    parts.push(items);
                    parts.push(first);
                }
            }
        }
        if self.trust.has_answered() { self.decide().await } else { Ok(()) }
    }

    /// Judges the records that are undecided.
    async fn decide(&mut self) -> Result<(), PoolError> {
        for item in std::mem::take(&mut self.undecided) {
            let mut one = vec![item];
            if let Err(failure) = self.attempt(&mut one).await? {
                self.judge(one, failure).await?;
            }
        }
        Ok(())
    }

    /// Tries one record, which has failed, in other processes. If it fails in them too, it is bad.
    async fn judge(&mut self, mut one: Items<K>, failure: InvokeError) -> Result<(), PoolError> {
        let mut last = failure;
        for _ in 1..TRIES {
            self.process = None;
            match self.attempt(&mut one).await? {
                Ok(()) => return Ok(()),
                Err(failure) => last = failure,
            }
        }
        let code = verdict::code(&last);
        for item in one {
            let input = Arc::clone(item.input());
            self.trust.warn_once(&input.describe(item.range().start), &code);
            item.answer(0.0, None, |range| Outcome::Done {
                out: self.task.results(&input, &(range.start..range.start)),
                refused: range.clone().map(|position| (position, code.clone())).collect(),
                hedged: false,
            });
        }
        Ok(())
    }

    /// Invokes the function with the records of `items`, and answers these. If it fails, they stay.
    async fn attempt(
        &mut self,
        items: &mut Items<K>,
    ) -> Result<Result<(), InvokeError>, PoolError> {
        let process = match self.process.take() {
            Some(process) => process,
            None => self.start().await?,
        };
        let (records, task) = (records(items), Arc::clone(&self.task));
        let raised = |message| InvokeError { kind: InvokeErrorKind::Raised, message };
        let event = match self.event(items) {
            Ok(event) => event,
            Err(message) => {
                self.process = Some(process);
                return Ok(Err(raised(message)));
            }
        };
        let (began, limit) = (Instant::now(), self.limit(records));
        let (answer, process) = self.processes.invoke(process, event.into(), limit).await;
        self.process = process;
        if let (Err(failure), None) = (&answer, &self.process) {
            self.trust.ended(failure);
        }
        let response = answer.and_then(|answer| {
            let read = ValidatedResponse::read(&*task, &answer, records, None);
            read.map_err(|failure| raised(failure.to_string()))
        });
        Ok(response.map(|response| {
            self.trust.answered();
            self.queue.load.computed(records, began.elapsed());
            response.deliver(std::mem::take(items), &*task, 0.0, false, None);
        }))
    }

    /// Writes a request.
    fn event(&self, items: &Items<K>) -> Result<Vec<u8>, String> {
        // Nothing limits what a process of this machine gets.
        let (work, limit) = (self.task.work(), usize::MAX);
        let mut body = RequestBody::begin(Vec::new(), self.task.name(), work, limit);
        for item in items {
            body.push(&**item.input(), item.range()).map_err(|error| error.to_string())?;
        }
        Ok(body.finish())
    }

    /// Returns how long a request may take: what a function may take at most if it has one record, and otherwise
    /// many times as long as its records usually take. They are then tried in smaller requests.
    fn limit(&self, records: usize) -> Duration {
        const TIMES: u32 = 20;
        const AT_LEAST: Duration = Duration::from_secs(1);
        let most = self.processes.timeout();
        match self.queue.load.record_time() {
            Some(each) if records > 1 => (each * records as u32 * TIMES).max(AT_LEAST).min(most),
            _ => most,
        }
    }

    /// Starts a process.
    async fn start(&self) -> Result<FunctionProcess, PoolError> {
        const PAUSE: Duration = Duration::from_millis(200);
        let mut tries = 1;
        loop {
            match self.processes.start().await {
                Ok(process) => {
                    self.queue.load.restarted();
                    return Ok(process);
                }
                Err(error) if tries == TRIES => return Err(PoolError::Start(error)),
                Err(error) => tracing::warn!("{error}; it is started again"),
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn records<K: Task>(items: &Items<K>) -> usize {
    items.iter().map(WorkItem::records).sum()
}

/// Splits off the first records.
fn split<K: Task>(items: &mut Items<K>, mut records: usize) -> Items<K> {
    let mut first = Vec::new();
    while records > 0 && !items.is_empty() {
        let item = items[0].split(records);
        records -= item.records();
        first.push(item);
        if items[0].records() == 0 {
            items.remove(0);
        }
    }
    first
}
