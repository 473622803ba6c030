//! The bridge's interface for workers, and its thread.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};

use super::batcher::Batcher;
use super::breaker::State as BreakerState;
use super::http_client::HttpClient;
use super::shared::Shared;
use super::{Counters, Failure, ReplySender, Settings, SettingsError, WorkItem};
use crate::aws::CredentialsError;
use crate::task::Task;

/// Number of threads that look up host names. Each connection that is being made needs one lookup, and a
/// burst makes hundreds.
const NAME_LOOKUP_THREADS: usize = 16;

/// A bridge that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The settings are not valid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There are no credentials to sign requests.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The thread or its runtime cannot be started.
    #[error("cannot start the bridge's thread")]
    Thread(#[source] std::io::Error),
    /// The HTTP client cannot be created.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
}

/// A process's bridge to one endpoint. A clone is cheap. The bridge's thread ends when the last clone is
/// dropped, and records that are in flight then are returned.
///
/// # Examples
/// A bridge to a local Lambda, which stands in for a function (needs the feature `emulator`):
/// ```
/// # #[cfg(feature = "emulator")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::net::TcpListener;
/// use std::sync::Arc;
///
/// use floodway::bridge::{Bridge, Settings};
/// use floodway::emulator::{self, Model, Server};
/// use floodway::operators::{Burst, BurstExt};
/// use floodway::policy::Remote;
/// use floodway::task;
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
///
/// let function = Arc::new(emulator::function("square", |n: &u64| Ok(n * n)));
/// let lambda = Server::hosting(TcpListener::bind("127.0.0.1:0")?, Model::default(), function)?;
/// let bridge = Bridge::start(Settings { endpoint: lambda.url().parse()?, ..Settings::default() })?;
///
/// let of_worker = bridge.clone();
/// let squares = timely::execute_directly(move |worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let square = task::function("square", |n: &u64| Ok(n * n));
///         let numbers = (1..=4_u64).to_stream(scope).container::<Vec<_>>();
///         let (squares, _bad) = numbers.burst(square, Burst::new(Remote).remote(&of_worker));
///         squares.capture()
///     })
/// });
/// // A record's result is the same wherever it was computed. The order may differ.
/// let mut squares: Vec<u64> = squares.extract().into_iter().flat_map(|(_, some)| some).collect();
/// squares.sort();
/// assert_eq!(squares, [1, 4, 9, 16]);
/// assert!(bridge.counters().records_done <= 4);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Bridge(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    runtime: Handle,
    remote_tasks: Mutex<HashMap<(TypeId, String), Box<dyn Any + Send + Sync>>>,
    closing: AtomicBool,
    /// Dropping this ends the thread.
    _alive: oneshot::Sender<()>,
}

/// The present state of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeStatus {
    /// The breaker's state.
    pub breaker: BreakerState,
    /// How many requests may be in flight.
    pub limit: usize,
    /// How many records wait in the bridge.
    pub waiting: usize,
    /// Whether the budget is spent.
    pub is_spent: bool,
}

impl Bridge {
    /// Starts the bridge's thread, and finds the credentials if requests are signed.
    ///
    /// # Errors
    /// If the settings are not valid, there are no credentials, or the system cannot start a thread.
    pub fn start(settings: Settings) -> Result<Bridge, BridgeError> {
        settings.validate()?;
        let http_client = HttpClient::new(&settings)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(NAME_LOOKUP_THREADS)
            .build()
            .map_err(BridgeError::Thread)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("floodway-bridge".to_owned())
            .spawn(move || {
                // Dropping the sender ends this with an error, which is the signal to end.
                let _ = runtime.block_on(ended);
            })
            .map_err(BridgeError::Thread)?;
        let shared = Arc::new(Shared::new(settings, http_client));
        let (tell, told) = std::sync::mpsc::channel();
        let of_thread = Arc::clone(&shared);
        handle.spawn(async move {
            let found = of_thread.http_client.credentials().await;
            let _ = tell.send(found);
        });
        if let Ok(found) = told.recv() {
            found?;
        }
        Ok(Bridge(Arc::new(Owner {
            shared,
            runtime: handle,
            remote_tasks: Mutex::default(),
            closing: AtomicBool::new(false),
            _alive: alive,
        })))
    }

    /// Returns the handle for `task`, which all workers of the process share. Another call with a task of the
    /// same type and name returns the same handle.
    pub fn remote_task<K: Task>(&self, task: Arc<K>) -> RemoteTask<K> {
        let key = (TypeId::of::<K>(), task.name().to_owned());
        let mut remote_tasks = self.0.remote_tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = remote_tasks.entry(key).or_insert_with(|| {
            let (sender, items) = unbounded::<WorkItem<K>>();
            let channel = Arc::new(TaskChannel {
                items: sender,
                waker: Notify::new(),
                expected: AtomicU64::new(0),
            });
            let remote_task = Batcher {
                task,
                shared: Arc::clone(&self.0.shared),
                items,
                channel: Arc::clone(&channel),
                waiting: VecDeque::new(),
                records: 0,
                urgent: false,
                halves: VecDeque::new(),
            };
            self.0.runtime.spawn(remote_task.run());
            Box::new(channel)
        });
        let channel =
            channel.downcast_ref::<Arc<TaskChannel<K>>>().expect("the key holds the type");
        RemoteTask { channel: Arc::clone(channel), bridge: self.clone() }
    }

    /// Returns the counters.
    pub fn counters(&self) -> Counters {
        let spent_for = self.0.shared.admission(|admission, now| admission.budget_spent_for(now));
        let live = &self.0.shared.live;
        live.over_budget_us.store(spent_for.as_micros() as u64, Relaxed);
        live.snapshot()
    }

    /// Returns the present state.
    pub fn status(&self) -> BridgeStatus {
        let shared = &self.0.shared;
        let (breaker, limit) =
            shared.admission(|admission, _| (admission.health().state(), admission.limit()));
        BridgeStatus {
            breaker,
            limit,
            waiting: shared.waiting.load(Relaxed),
            is_spent: shared.is_spent(),
        }
    }

    /// Returns why the remote side cannot be used as it is set up, if it refused the last request and has
    /// never answered one. All records were then computed by the workers.
    pub fn refusal(&self) -> Option<Failure> {
        self.0.shared.refusal()
    }

    /// Returns the last failure of a request or probe.
    pub fn last_failure(&self) -> Option<Failure> {
        self.0.shared.last_failure()
    }

    /// Returns the code with which the function first refused a record, if it refused any.
    pub fn refused_records(&self) -> Option<&str> {
        self.0.shared.refused_records()
    }

    /// Returns the measured 99th percentile of a request's time; zero before the first measurement.
    pub fn p99(&self) -> Duration {
        self.0.shared.p99()
    }

    /// Waits until the start-up probes have returned, with or without success, but not longer than `most`.
    /// This blocks, so call it before the workers start and never on a worker's thread.
    pub fn wait_for_probes(&self, most: Duration) {
        let began = std::time::Instant::now();
        while !self.0.shared.admission(|admission, _| admission.health().has_started())
            && began.elapsed() < most
        {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Gives up the requests in flight, so that their cost is counted before the counters are read for the
    /// last time. Nothing is sent any more. This may block for a moment, so call it after the dataflow has
    /// ended.
    pub fn finish(&self) {
        const MOST: Duration = Duration::from_millis(200);
        self.0.shared.closed.send_replace(true);
        let began = std::time::Instant::now();
        while self.counters().in_flight > 0 && began.elapsed() < MOST {
            thread::yield_now();
        }
    }

    /// Returns all records to the workers after `grace`: those that wait or are in flight then are answered
    /// with [`Failure::Closed`](super::Failure::Closed), and nothing more is sent. Only the first call
    /// counts.
    pub fn close_after(&self, grace: Duration) {
        if self.0.closing.swap(true, Relaxed) {
            return;
        }
        let shared = Arc::clone(&self.0.shared);
        self.0.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            shared.closed.send_replace(true);
        });
    }
}

/// The workers' side of a batcher.
pub(super) struct TaskChannel<K: Task> {
    items: Sender<WorkItem<K>>,
    /// Notifies the batcher of work items, or of a new expected rate.
    pub waker: Notify,
    /// Records per second that are expected soon.
    expected: AtomicU64,
}

impl<K: Task> TaskChannel<K> {
    /// Takes the rate that was expected since the last call.
    pub(super) fn take_expected(&self) -> u64 {
        self.expected.swap(0, Relaxed)
    }
}

/// Handle through which workers hand over the work items of a task. A clone is cheap.
pub struct RemoteTask<K: Task> {
    channel: Arc<TaskChannel<K>>,
    bridge: Bridge,
}

impl<K: Task> Clone for RemoteTask<K> {
    fn clone(&self) -> Self {
        RemoteTask { channel: Arc::clone(&self.channel), bridge: self.bridge.clone() }
    }
}

/// The bridge is closed and takes no more work items: the records stay with their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge is closed")]
pub struct ClosedError;

impl<K: Task> RemoteTask<K> {
    /// Returns how many records the bridge takes now: none while nothing is sent, and few while the remote
    /// side takes few. Other records stay with their workers.
    pub fn room(&self) -> usize {
        self.shared().room()
    }

    /// Returns whether records may wait for room: the breaker is not open, the budget is not spent, and the
    /// bridge is not closed.
    pub fn is_available(&self) -> bool {
        self.shared().is_available()
    }

    /// Wakes the worker of `sender` once there is room, or once [`RemoteTask::is_available`] is false. Call
    /// this before checking the room for the last time.
    pub fn wake_when_there_is_room(&self, sender: &ReplySender<K::Out>) {
        self.shared().wake_when_there_is_room(sender.waker());
    }

    /// Returns the number of records of a full request.
    pub fn max_records(&self) -> usize {
        self.shared().max_records()
    }

    /// Returns how many records of [`RemoteTask::room`] will not meet a cold environment, as far as is known.
    pub fn warm_room(&self) -> usize {
        self.shared().warm_room()
    }

    /// Returns the median time of a request to a warm environment; zero before the first answer.
    pub fn median(&self) -> Duration {
        self.shared().median()
    }

    /// Returns the 99th percentile of the time of requests to warm environments. Requests in flight count at
    /// their present age. Zero before the first answer.
    pub fn p99(&self) -> Duration {
        self.shared().p99()
    }

    /// Returns the median time of a request to a cold environment; zero before the first cold start.
    pub fn cold(&self) -> Duration {
        self.shared().cold()
    }

    /// Returns the share of the recent attempts that failed. Throttled ones count as failed.
    pub fn failure_rate(&self) -> f64 {
        self.shared().failure_rate()
    }

    /// Sets the time that a record takes on a worker. Until the remote side has computed records, its time is
    /// estimated by this.
    pub fn set_local_record_time(&self, time: Duration) {
        self.shared().set_local_record_time(time);
    }

    /// Returns the age from which a work item is late, so that its worker may compute the records itself.
    pub fn late(&self) -> Duration {
        self.shared().late()
    }

    /// Returns the settings of the bridge.
    pub fn settings(&self) -> &Settings {
        &self.shared().settings
    }

    /// Announces that `records_per_second` are expected soon. Environments are started for them if there are
    /// too few.
    pub fn expect(&self, records_per_second: f64) {
        self.channel.expected.fetch_max(records_per_second as u64, Relaxed);
        self.channel.waker.notify_one();
    }

    /// Disables the remote side because it computed a different result: nothing is sent any more.
    pub fn disable(&self) {
        self.shared().disable();
    }

    /// Hands over a work item. Its replies are sent to its [`ReplySender`].
    ///
    /// # Errors
    /// If the bridge is closed. There are then no replies.
    pub fn send(&self, item: WorkItem<K>) -> Result<(), ClosedError> {
        if *self.shared().closed.borrow() {
            item.take_back();
            return Err(ClosedError);
        }
        let records = item.records();
        self.shared().waiting.fetch_add(records, Relaxed);
        match self.channel.items.send(item) {
            Ok(()) => {
                self.channel.waker.notify_one();
                Ok(())
            }
            Err(refused) => {
                self.shared().waiting.fetch_sub(records, Relaxed);
                refused.into_inner().take_back();
                Err(ClosedError)
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.bridge.0.shared
    }
}
