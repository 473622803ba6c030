//! The bridge's thread, its state, and its end.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::breaker::State as BreakerState;
use super::http_client::HttpClient;
use super::shared::Shared;
use super::{BridgeError, Budget, Counters, Failure, Settings};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Number of threads that look up host names. Each connection that is being made needs one lookup, and a
/// burst makes hundreds.
const NAME_LOOKUP_THREADS: usize = 16;

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
pub struct Bridge(pub(super) Arc<Owner>);

pub(super) struct Owner {
    pub shared: Arc<Shared>,
    pub runtime: Handle,
    /// The channels of the tasks, by type and name.
    pub channels: Mutex<HashMap<(TypeId, String), Box<dyn Any + Send + Sync>>>,
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
        let budget = Budget::new(settings.cost_limits);
        Bridge::start_within(settings, budget)
    }

    /// Does the same for a bridge that spends from `budget`, which it may share with others, and not from one of its own.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn start_within(settings: Settings, budget: Budget) -> Result<Bridge, BridgeError> {
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
        let shared = Arc::new(Shared::new(settings, budget, Arc::new(http_client)));
        let (tell, told) = std::sync::mpsc::channel();
        let of_thread = Arc::clone(&shared);
        handle.spawn(async move {
            let found = of_thread.http_client.credentials().await;
            let _ = tell.send(found);
        });
        if let Ok(found) = told.recv() {
            found?;
        }
        Ok(Bridge::new(shared, handle, alive))
    }

    /// Creates a bridge whose drivers run in `runtime`, which ends when `alive` is dropped.
    pub(super) fn new(shared: Arc<Shared>, runtime: Handle, alive: oneshot::Sender<()>) -> Bridge {
        Bridge(Arc::new(Owner {
            shared,
            runtime,
            channels: Mutex::default(),
            closing: AtomicBool::new(false),
            _alive: alive,
        }))
    }

    /// Returns the endpoint's name, without parts that may be secret.
    pub fn endpoint(&self) -> String {
        self.0.shared.settings.endpoint.to_string()
    }

    /// Returns the counters.
    pub fn counters(&self) -> Counters {
        self.0.shared.admission(|admission, now| admission.counters(now))
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
        self.0.shared.admission(|admission, _| admission.refusal().cloned())
    }

    /// Returns the last failure of a request or probe.
    pub fn last_failure(&self) -> Option<Failure> {
        self.0.shared.admission(|admission, _| admission.last_failure().cloned())
    }

    /// Returns the code with which the function first refused a record that a worker then computed. None if all
    /// records that it refused are bad.
    pub fn wrongly_refused(&self) -> Option<&str> {
        self.0.shared.wrongly_refused()
    }

    /// Returns the measured 99th percentile of a request's time; zero before the first measurement.
    pub fn p99(&self) -> Duration {
        self.0.shared.offer().p99
    }

    /// Returns the measured median of a request's time; zero before the first measurement.
    pub(crate) fn median(&self) -> Duration {
        self.0.shared.offer().median
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

    /// Gives up the requests in flight, and sends nothing any more. The counters hold what these requests
    /// cost once the bridge [is idle](Bridge::is_idle).
    pub fn close(&self) {
        self.0.shared.closed.send_replace(true);
    }

    /// Whether no request is in flight.
    pub fn is_idle(&self) -> bool {
        self.counters().in_flight == 0
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
