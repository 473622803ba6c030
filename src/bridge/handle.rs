//! The workers' side of the bridge, and its thread.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem::discriminant;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot, watch};

use super::counters::Live;
use super::lane::LaneTask;
use super::{Counters, Failure, Part, Settings, SettingsError};
use crate::cpu;
use crate::task::Task;
use crate::wire::MAX_BODY;

/// A bridge that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Its settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its thread or its runtime.
    #[error("cannot start the bridge's thread")]
    Thread(#[source] std::io::Error),
    /// Its HTTP client.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
}

/// What all lanes of a bridge send by.
pub(super) struct Line {
    pub settings: Settings,
    pub url: Url,
    pub client: Client,
    pub live: Live,
    pub closed: watch::Sender<bool>,
    /// Bytes of an answer for each thousand of its request, the most of late.
    ratio: AtomicU64,
    complained: Mutex<HashSet<std::mem::Discriminant<Failure>>>,
}

/// Before the first answer: byte-pair tokens are 2.6 times as long as their text.
const FIRST_RATIO: u64 = 3_000;

impl Line {
    /// Learns how long answers are: up at once, down by a hundredth an answer.
    pub(super) fn learn_ratio(&self, answer: usize, request: usize) {
        let ratio = (answer * 1_000 / request.max(1)) as u64;
        let before = self.ratio.load(Relaxed);
        self.ratio.store(ratio.max(before - before / 100), Relaxed);
    }

    /// Learns that the answer to a request of so many bytes was past the limit: half of it is not.
    pub(super) fn learn_too_large(&self, request: usize) {
        self.learn_ratio(2 * MAX_BODY, request);
    }

    /// Bytes a request may have so that its answer stays below the limit too.
    pub(super) fn request_limit(&self) -> usize {
        let ratio = self.ratio.load(Relaxed).max(1_000) as usize;
        self.settings.batch_bytes.min(MAX_BODY * 9 / 10 * 1_000 / ratio)
    }

    /// Says once for each kind of failure what to do about it.
    pub(super) fn complain(&self, failure: &Failure) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if *failure != Failure::Closed && complained.insert(discriminant(failure)) {
            tracing::warn!("a request came home: {failure}; {}", failure.advice());
        }
    }

    pub(super) fn note_cpu(&self) {
        self.live.cpu_ns.store(cpu::of_thread().as_nanos() as u64, Relaxed);
    }
}

/// A process's bridge to one endpoint. Cheap to clone; its thread ends with the last clone, and
/// what is then in flight comes home.
#[derive(Clone)]
pub struct Bridge(Arc<Owner>);

struct Owner {
    line: Arc<Line>,
    runtime: Handle,
    lanes: Mutex<HashMap<(TypeId, String), Box<dyn Any + Send + Sync>>>,
    closing: AtomicBool,
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

impl Bridge {
    /// Starts the bridge's thread.
    ///
    /// # Errors
    /// If the settings cannot be, or the system has no thread for it.
    pub fn start(settings: Settings) -> Result<Bridge, BridgeError> {
        settings.validate()?;
        let url = Url::parse(&settings.url).map_err(|error| {
            BridgeError::Settings(SettingsError::Url {
                url: settings.url.clone(),
                why: error.to_string(),
            })
        })?;
        let client = Client::builder()
            .redirect(Policy::none())
            .tcp_nodelay(true)
            // Below the 20 s after which a function URL closes: a connection that is just being
            // closed would fail the request.
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(settings.max_in_flight)
            .connect_timeout(settings.connect_timeout)
            .build()
            .map_err(BridgeError::Client)?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(BridgeError::Thread)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("floodway-bridge".to_owned())
            .spawn(move || {
                // Ends with an error when the sender is dropped: that is how it is told.
                let _ = runtime.block_on(ended);
            })
            .map_err(BridgeError::Thread)?;
        let line = Arc::new(Line {
            settings,
            url,
            client,
            live: Live::default(),
            closed: watch::Sender::new(false),
            ratio: AtomicU64::new(FIRST_RATIO),
            complained: Mutex::default(),
        });
        Ok(Bridge(Arc::new(Owner {
            line,
            runtime: handle,
            lanes: Mutex::default(),
            closing: AtomicBool::new(false),
            _alive: alive,
        })))
    }

    /// The lane of `task`, which all workers of the process share: asked again for a task of the
    /// same type and name, it answers the same lane.
    pub fn lane<K: Task>(&self, task: Arc<K>) -> Lane<K> {
        let key = (TypeId::of::<K>(), task.name().to_owned());
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = lanes.entry(key).or_insert_with(|| {
            let (sender, parts) = unbounded::<Part<K>>();
            let bell = Arc::new(Notify::new());
            let lane = LaneTask {
                task,
                line: Arc::clone(&self.0.line),
                parts,
                bell: Arc::clone(&bell),
                waiting: VecDeque::new(),
                records: 0,
                halves: VecDeque::new(),
            };
            self.0.runtime.spawn(lane.run());
            Box::new((sender, bell))
        });
        let (parts, bell) =
            parts.downcast_ref::<(Sender<Part<K>>, Arc<Notify>)>().expect("the key holds the type");
        Lane { parts: parts.clone(), bell: Arc::clone(bell), bridge: self.clone() }
    }

    /// What was counted until now.
    pub fn counters(&self) -> Counters {
        self.0.line.live.snapshot()
    }

    /// Brings everything home after `grace`: what waits or is in flight then is answered with
    /// [`Failure::Closed`], and nothing more is sent. Only the first call counts.
    pub fn come_home(&self, grace: Duration) {
        if self.0.closing.swap(true, Relaxed) {
            return;
        }
        let line = Arc::clone(&self.0.line);
        self.0.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            line.closed.send_replace(true);
        });
    }
}

/// Where workers hand parts of a task over. Cheap to clone.
pub struct Lane<K: Task> {
    parts: Sender<Part<K>>,
    bell: Arc<Notify>,
    bridge: Bridge,
}

impl<K: Task> Clone for Lane<K> {
    fn clone(&self) -> Self {
        let (parts, bell) = (self.parts.clone(), Arc::clone(&self.bell));
        Lane { parts, bell, bridge: self.bridge.clone() }
    }
}

/// The bridge takes nothing any more: the records stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge is closed")]
pub struct ClosedError;

impl<K: Task> Lane<K> {
    /// Hands a part over; its replies come to its port.
    ///
    /// # Errors
    /// If the bridge is closed: no reply will come.
    pub fn send(&self, part: Part<K>) -> Result<(), ClosedError> {
        if *self.bridge.0.line.closed.borrow() {
            part.take_back();
            return Err(ClosedError);
        }
        match self.parts.send(part) {
            Ok(()) => {
                self.bell.notify_one();
                Ok(())
            }
            Err(refused) => {
                refused.into_inner().take_back();
                Err(ClosedError)
            }
        }
    }
}
