//! What all batchers of a bridge share: the HTTP client, the counters, and the state of the remote side.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::Admission;
use super::body_memory::BodyMemory;
use super::breaker::State;
use super::http_client::HttpClient;
use super::latency_estimate::LatencyEstimate;
use super::reply::CoalescedWaker;
use super::{Failure, Settings};
use crate::batch::Nanos;
use crate::counters::LiveCounters;
use crate::process_stats;
use crate::wire::MAX_BODY;

pub(super) struct Shared {
    pub settings: Settings,
    pub http_client: HttpClient,
    pub live: LiveCounters,
    pub body_memory: BodyMemory,
    pub closed: watch::Sender<bool>,
    /// Number of changes. It rises when batchers should check again, because a request has ended or the
    /// breaker has changed.
    pub changes: watch::Sender<u64>,
    /// Records that wait in the batchers.
    pub waiting: AtomicUsize,
    admission: Mutex<Admission>,
    began: Instant,
    /// Published for the workers: how many records may wait in the batchers, and the age from which a work
    /// item is late.
    queue_limit: AtomicUsize,
    late_ns: AtomicU64,
    /// Whether records may wait for room, and the workers whose records do.
    is_available: AtomicBool,
    waiters: Mutex<Vec<Arc<CoalescedWaker>>>,
    median_ns: AtomicU64,
    p99_ns: AtomicU64,
    cold_ns: AtomicU64,
    /// Bits of an `f64`.
    failure_rate: AtomicU64,
    warm_room: AtomicUsize,
    max_records: AtomicUsize,
    /// Whether a request with records was answered, and how long a worker takes for a record.
    has_processed_records: AtomicBool,
    record_ns: AtomicU64,
    /// Whether the budget is spent.
    is_spent: AtomicBool,
    /// Bytes of a response per thousand bytes of its request: the highest recent ratio.
    answer_ratio: AtomicU64,
    /// The kinds of failures that were logged, each with what to do about it: one kind may have several causes.
    warned: Mutex<HashSet<(Discriminant<Failure>, Cow<'static, str>)>>,
    /// The code with which the function first refused a record, as it may be shown.
    refused_records: OnceLock<String>,
    /// Whether any request was answered well, and the last failure of a request or probe.
    has_answered: AtomicBool,
    last_failure: Mutex<Option<Failure>>,
}

/// Ratio before the first response: byte-pair tokens are 2.6 times as long as their text.
const FIRST_RATIO: u64 = 3_000;

impl Shared {
    pub(super) fn new(settings: Settings, http_client: HttpClient) -> Self {
        let shared = Shared {
            admission: Mutex::new(Admission::new(settings.clone())),
            body_memory: BodyMemory::new(settings.body_bytes),
            settings,
            http_client,
            live: LiveCounters::default(),
            closed: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
            queue_limit: AtomicUsize::new(0),
            late_ns: AtomicU64::new(0),
            is_available: AtomicBool::new(false),
            waiters: Mutex::default(),
            median_ns: AtomicU64::new(0),
            p99_ns: AtomicU64::new(0),
            cold_ns: AtomicU64::new(0),
            failure_rate: AtomicU64::new(0),
            warm_room: AtomicUsize::new(0),
            max_records: AtomicUsize::new(0),
            has_processed_records: AtomicBool::new(false),
            record_ns: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            answer_ratio: AtomicU64::new(FIRST_RATIO),
            warned: Mutex::default(),
            refused_records: OnceLock::new(),
            has_answered: AtomicBool::new(false),
            last_failure: Mutex::default(),
        };
        shared.admission(|_, _| ());
        shared
    }

    /// Calls the admission, and wakes whoever waits for what has changed because of it.
    pub(super) fn admission<R>(&self, ask: impl FnOnce(&mut Admission, Nanos) -> R) -> R {
        let now = self.began.elapsed().as_nanos() as Nanos;
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let may_send =
            |admission: &Admission| [true, false].map(|warm_only| admission.may_send(warm_only));
        let (state, could_send) = (admission.health().state(), may_send(&admission));
        admission.refresh_budget(now);
        let answer = ask(&mut admission, now);
        self.queue_limit.store(admission.queue_limit(), Relaxed);
        self.late_ns.store(admission.timing().late().as_nanos() as u64, Relaxed);
        self.is_available.store(admission.is_available(), Relaxed);
        self.median_ns.store(admission.timing().known_median().as_nanos() as u64, Relaxed);
        self.p99_ns.store(admission.timing().known_p99(now).as_nanos() as u64, Relaxed);
        self.cold_ns.store(admission.timing().known_cold().as_nanos() as u64, Relaxed);
        self.failure_rate.store(admission.failure_rate().to_bits(), Relaxed);
        self.warm_room.store(admission.warm_room(), Relaxed);
        self.max_records.store(admission.max_records(), Relaxed);
        self.has_processed_records.store(admission.timing().has_processed_records(), Relaxed);
        let changes = admission.health().state() != state || may_send(&admission) != could_send;
        if admission.health().state() != state {
            self.live.breaker_opened.store(admission.health().opened(), Relaxed);
            match admission.health().state() {
                State::HalfOpen => tracing::info!("a probe was answered well"),
                State::Closed => tracing::warn!("the remote side answers again"),
                State::Open(_) if matches!(state, State::Closed) => {
                    tracing::warn!("the remote side fails: nothing is sent to it for now");
                }
                _ => {}
            }
        }
        let is_spent = admission.is_spent();
        if self.is_spent.swap(is_spent, Relaxed) != is_spent {
            match (is_spent, admission.next_wakeup()) {
                (false, _) => tracing::warn!("the budget lasts again"),
                (true, Some(_)) => {
                    tracing::warn!("the hour's budget is spent: nothing is sent for now")
                }
                (true, None) => tracing::warn!("the budget is spent: nothing is sent from now on"),
            }
        }
        drop(admission);
        if changes {
            self.changes.send_modify(|count| *count += 1);
        }
        answer
    }

    /// Converts a time on the admission's clock to an instant.
    pub(super) fn instant(&self, time: Nanos) -> Instant {
        self.began + Duration::from_nanos(time)
    }

    /// Returns how many records workers may hand over now.
    pub(super) fn room(&self) -> usize {
        let queue_limit = if *self.closed.borrow() { 0 } else { self.queue_limit.load(Relaxed) };
        queue_limit.saturating_sub(self.waiting.load(Relaxed))
    }

    /// Returns whether records may wait for room.
    pub(super) fn is_available(&self) -> bool {
        self.is_available.load(Relaxed) && !*self.closed.borrow()
    }

    /// Wakes `waker` once there is room, or once records may not wait for it any more.
    pub(super) fn wake_when_there_is_room(&self, waker: &Arc<CoalescedWaker>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiters.iter().any(|waiter| Arc::ptr_eq(waiter, waker)) {
            waiters.push(Arc::clone(waker));
        }
    }

    /// Wakes the workers that wait for room, if they do not have to wait any more.
    pub(super) fn wake_waiters(&self) {
        if self.room() > 0 || !self.is_available() {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.drain(..).for_each(|waker| waker.wake());
        }
    }

    /// Returns how many of these records will not meet a cold environment, as far as is known.
    pub(super) fn warm_room(&self) -> usize {
        self.warm_room.load(Relaxed).saturating_sub(self.waiting.load(Relaxed))
    }

    /// Returns whether the budget is spent.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Relaxed)
    }

    /// Returns the number of records of a full request.
    pub(super) fn max_records(&self) -> usize {
        self.max_records.load(Relaxed)
    }

    /// Sets the time that a record takes on a worker.
    pub(super) fn set_local_record_time(&self, time: Duration) {
        self.record_ns.store(time.as_nanos() as u64, Relaxed);
    }

    /// Returns what to add to the measured times.
    fn latency_estimate(&self) -> LatencyEstimate {
        let record = Duration::from_nanos(self.record_ns.load(Relaxed));
        let has_processed_records = self.has_processed_records.load(Relaxed);
        LatencyEstimate::new(has_processed_records, record, self.max_records())
    }

    /// Returns the estimated time of a full request beyond the measured time.
    pub(super) fn work(&self) -> Duration {
        self.latency_estimate().work()
    }

    fn request_time(&self, nanos: &AtomicU64) -> Duration {
        self.latency_estimate().request(Duration::from_nanos(nanos.load(Relaxed)))
    }

    /// Returns the median time of a request to a warm environment; zero while it is not known.
    pub(super) fn median(&self) -> Duration {
        self.request_time(&self.median_ns)
    }

    /// Returns the 99th percentile of the time of a request.
    pub(super) fn p99(&self) -> Duration {
        self.request_time(&self.p99_ns)
    }

    /// Returns the share of the recent attempts that failed.
    pub(super) fn failure_rate(&self) -> f64 {
        f64::from_bits(self.failure_rate.load(Relaxed))
    }

    /// Returns the time of a request to a cold environment; zero before the first one.
    pub(super) fn cold(&self) -> Duration {
        self.request_time(&self.cold_ns)
    }

    /// Returns the age from which a work item is late, counted from when it was handed over.
    pub(super) fn late(&self) -> Duration {
        Duration::from_nanos(self.late_ns.load(Relaxed)) + self.settings.linger
    }

    /// Disables the remote side because it computed a different result: nothing is sent any more.
    pub(super) fn disable(&self) {
        self.admission(|admission, _| admission.health_mut().disable());
    }

    /// Updates the ratio of response to request size: it rises at once, and falls by one hundredth per
    /// response.
    pub(super) fn learn_answer_ratio(&self, answer: usize, request: usize) {
        let answer_ratio = (answer * 1_000 / request.max(1)) as u64;
        let before = self.answer_ratio.load(Relaxed);
        self.answer_ratio.store(answer_ratio.max(before - before / 100), Relaxed);
    }

    /// Records that the response to a request of `request` bytes was above the size limit. The response to
    /// half of that request is then expected to fit.
    pub(super) fn learn_too_large(&self, request: usize) {
        self.learn_answer_ratio(2 * MAX_BODY, request);
    }

    /// Returns the expected size of the response to a request of `request` bytes.
    pub(super) fn expected_answer(&self, request: usize) -> usize {
        let ratio = self.answer_ratio.load(Relaxed) as usize;
        (request * ratio / 1_000).min(MAX_BODY)
    }

    /// Returns how large a request may be so that its response stays below the limit too.
    pub(super) fn request_limit(&self) -> usize {
        let answer_ratio = self.answer_ratio.load(Relaxed).max(1_000) as usize;
        self.settings.batch_bytes.min(MAX_BODY * 9 / 10 * 1_000 / answer_ratio)
    }

    /// Records that a request or probe was answered well.
    pub(super) fn record_success(&self) {
        self.has_answered.store(true, Relaxed);
    }

    /// Records why a request or probe failed.
    pub(super) fn record_failure(&self, failure: &Failure) {
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(failure.clone());
    }

    /// Returns the last failure of a request or probe.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the last failure if it was a refusal and no request was ever answered well.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let has_answered = self.has_answered.load(Relaxed);
        self.last_failure().filter(|last| last.is_refusal() && !has_answered)
    }

    /// Logs what to do about a failure, once per kind of failure and cause.
    pub(super) fn warn_once(&self, failure: &Failure) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours =
            matches!(failure, Failure::Closed | Failure::BreakerOpen | Failure::DoneLocally);
        let advice = failure.advice();
        if !is_ours && warned.insert((discriminant(failure), advice.clone())) {
            tracing::warn!("a request went wrong: {failure} ({advice})");
        }
    }

    /// Logs once that the function refuses records which the task on a worker may accept.
    pub(super) fn warn_once_of_refused_records(&self, code: &str) {
        if self.refused_records.get().is_none() {
            let code = self.http_client.redacted(code.as_bytes());
            if self.refused_records.set(code.clone()).is_ok() {
                tracing::warn!(
                    "the function refuses records ({code:?}): the workers compute them, and their \
                    requests are paid for all the same"
                );
            }
        }
    }

    /// Returns the code with which the function first refused a record, if it refused any.
    pub(super) fn refused_records(&self) -> Option<&str> {
        self.refused_records.get().map(String::as_str)
    }

    pub(super) fn record_cpu_time(&self) {
        self.live.cpu_ns.store(process_stats::thread_cpu().as_nanos() as u64, Relaxed);
    }
}
