//! The workers' side of the bridge, and its thread.

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

/// Threads that look up names, one for each connection that is being made: a burst makes hundreds.
const NAME_LOOKUP_THREADS: usize = 16;

/// A bridge that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Its settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody to sign its requests.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Its thread or its runtime.
    #[error("cannot start the bridge's thread")]
    Thread(#[source] std::io::Error),
    /// Its HTTP client.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
}

/// A process's bridge to one endpoint. Cheap to clone; its thread ends with the last clone, and
/// what is then in flight comes home.
///
/// # Examples
/// To a local Lambda, which stands in for a function (with the feature `emulator`):
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
/// // Wherever a record was computed, its result is the same; their order is not.
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
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

/// How a bridge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeStatus {
    /// What the breaker lets through.
    pub breaker: BreakerState,
    /// Requests that may be in flight.
    pub limit: usize,
    /// Records that wait in it to be sent.
    pub waiting: usize,
    /// Whether the budget is spent.
    pub is_spent: bool,
}

impl Bridge {
    /// Starts the bridge's thread, and finds the credentials if requests are to be signed.
    ///
    /// # Errors
    /// If the settings cannot be, there are no credentials, or the system has no thread for it.
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
                // Ends with an error when the sender is dropped: that is how it is told.
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

    /// The lane of `task`, which all workers of the process share: asked again for a task of the
    /// same type and name, it answers the same lane.
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

    /// What was counted until now.
    pub fn counters(&self) -> Counters {
        let spent_for = self.0.shared.admission(|admission, now| admission.budget_spent_for(now));
        let over_budget_us = spent_for.as_micros() as u64;
        Counters { over_budget_us, ..self.0.shared.live.snapshot() }
    }

    /// How the bridge stands now.
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

    /// Why the remote side is of no use as things are set up, if it has refused whatever it was last sent
    /// and has never answered anything well. Then all the work was done at home.
    pub fn refusal(&self) -> Option<Failure> {
        self.0.shared.refusal()
    }

    /// How the last request or probe failed that did, in a way that says something of the remote side.
    pub fn last_failure(&self) -> Option<Failure> {
        self.0.shared.last_failure()
    }

    /// How long a request takes by what was measured: all but one of a hundred. Zero before one was.
    pub fn p99(&self) -> Duration {
        self.0.shared.p99()
    }

    /// Waits until the start-up probes have come back, well or not, but not for longer than `most`. It
    /// blocks: before the workers start, never on one.
    pub fn wait_for_probes(&self, most: Duration) {
        let began = std::time::Instant::now();
        while !self.0.shared.admission(|admission, _| admission.health().has_started())
            && began.elapsed() < most
        {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Gives up what is in flight, so that it is counted, and costed, before the counters are read
    /// for the last time. Nothing is sent any more. It may take a moment: for after the dataflow's end.
    pub fn finish(&self) {
        const MOST: Duration = Duration::from_millis(200);
        self.0.shared.closed.send_replace(true);
        let began = std::time::Instant::now();
        while self.counters().in_flight > 0 && began.elapsed() < MOST {
            thread::yield_now();
        }
    }

    /// Brings everything home after `grace`: what waits or is in flight then is answered with
    /// [`Failure::Closed`](super::Failure::Closed), and nothing more is sent. Only the first call counts.
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

/// The workers' ends of a lane.
pub(super) struct TaskChannel<K: Task> {
    items: Sender<WorkItem<K>>,
    /// Says that there are parts, or that more are expected.
    pub waker: Notify,
    /// Records a second that are expected soon.
    expected: AtomicU64,
}

impl<K: Task> TaskChannel<K> {
    /// What is expected since this was last asked.
    pub(super) fn take_expected(&self) -> u64 {
        self.expected.swap(0, Relaxed)
    }
}

/// Where workers hand parts of a task over. Cheap to clone.
pub struct RemoteTask<K: Task> {
    channel: Arc<TaskChannel<K>>,
    bridge: Bridge,
}

impl<K: Task> Clone for RemoteTask<K> {
    fn clone(&self) -> Self {
        RemoteTask { channel: Arc::clone(&self.channel), bridge: self.bridge.clone() }
    }
}

/// The bridge takes nothing any more: the records stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge is closed")]
pub struct ClosedError;

impl<K: Task> RemoteTask<K> {
    /// Records that the lane takes now. None while the remote side is not to be tried, and few while
    /// it takes little: what would wait here is better off with its worker.
    pub fn room(&self) -> usize {
        self.shared().room()
    }

    /// Whether records that wait for room will have it: no breaker is open, the budget lasts, and the
    /// bridge is not closed.
    pub fn is_available(&self) -> bool {
        self.shared().is_available()
    }

    /// Wakes the worker of `sender` once there is room, or once [`RemoteTask::is_available`] is false. To be asked for
    /// before the room is looked at for the last time.
    pub fn wake_when_there_is_room(&self, sender: &ReplySender<K::Out>) {
        self.shared().wake_when_there_is_room(sender.waker());
    }

    /// Records of a full request.
    pub fn max_records(&self) -> usize {
        self.shared().max_records()
    }

    /// Those of [`RemoteTask::room`] that will meet no cold environment, as far as is known.
    pub fn warm_room(&self) -> usize {
        self.shared().warm_room()
    }

    /// How long half of the requests to warm environments take at the most; zero before one was
    /// answered.
    pub fn median(&self) -> Duration {
        self.shared().median()
    }

    /// How long all but one of a hundred requests to warm environments take; those in flight count at
    /// their age. Zero like [`RemoteTask::median`].
    pub fn p99(&self) -> Duration {
        self.shared().p99()
    }

    /// The same of half of the cold ones; zero before one was met.
    pub fn cold(&self) -> Duration {
        self.shared().cold()
    }

    /// The share of the last attempts that failed, throttled ones among them.
    pub fn failure_rate(&self) -> f64 {
        self.shared().failure_rate()
    }

    /// Says what a record takes a worker: before the remote side has done any, they are believed to take
    /// as long there.
    pub fn set_local_record_time(&self, time: Duration) {
        self.shared().set_local_record_time(time);
    }

    /// From which age on a part is late, and its worker may as well do its records.
    pub fn late(&self) -> Duration {
        self.shared().late()
    }

    /// Settings of the bridge.
    pub fn settings(&self) -> &Settings {
        &self.shared().settings
    }

    /// Says that so many records a second are expected soon: environments are started for them if
    /// there are too few.
    pub fn expect(&self, records_per_second: f64) {
        self.channel.expected.fetch_max(records_per_second as u64, Relaxed);
        self.channel.waker.notify_one();
    }

    /// Says that the remote side computes something else: nothing is sent any more.
    pub fn disable(&self) {
        self.shared().disable();
    }

    /// Hands a part over; its replies come to its port.
    ///
    /// # Errors
    /// If the bridge is closed: no reply will come.
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
