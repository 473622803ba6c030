//! What all drivers of a bridge share: the HTTP client, the counters, and the state of the remote side.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::Admission;
use super::body_memory::BodyMemory;
use super::breaker::State;
use super::http_client::HttpClient;
use super::offer::{LiveOffer, Offer};
use super::reply::CoalescedWaker;
use super::{Budget, Failure, Settings};
use crate::batch::Nanos;
use crate::counters::Counters;
use crate::process_stats;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use crate::wire::MAX_BODY;

pub(super) struct Shared {
    pub settings: Settings,
    pub http_client: Arc<HttpClient>,
    pub body_memory: BodyMemory,
    pub closed: watch::Sender<bool>,
    /// Number of changes. It rises when drivers should check again, because a request has ended or the
    /// breaker has changed.
    pub changes: watch::Sender<u64>,
    /// Records that wait in the bridge.
    pub waiting: AtomicUsize,
    admission: Mutex<Admission>,
    began: Instant,
    /// What the workers are told of the remote side.
    offer: LiveOffer,
    /// The workers whose records wait for room.
    waiters: Mutex<Vec<Arc<CoalescedWaker>>>,
    /// Time that a record takes on a worker.
    record_ns: AtomicU64,
    /// Whether the budget is spent.
    is_spent: AtomicBool,
    /// Bytes of a response per thousand bytes of its request: the highest recent ratio.
    answer_ratio: AtomicU64,
    /// The kinds of failures that were logged, each with what to do about it: one kind may have several causes.
    warned: Mutex<HashSet<(Discriminant<Failure>, Cow<'static, str>)>>,
    /// The code with which the function refused a record that a worker then computed, as it may be shown.
    wrongly_refused: OnceLock<String>,
}

/// Ratio before the first response: byte-pair tokens are 2.6 times as long as their text.
const FIRST_RATIO: u64 = 3_000;

impl Shared {
    pub(super) fn new(settings: Settings, budget: Budget, http_client: Arc<HttpClient>) -> Self {
        let shared = Shared {
            admission: Mutex::new(Admission::within(settings.clone(), budget)),
            body_memory: BodyMemory::new(settings.body_bytes),
            settings,
            http_client,
            closed: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
            offer: LiveOffer::default(),
            waiters: Mutex::default(),
            record_ns: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            answer_ratio: AtomicU64::new(FIRST_RATIO),
            warned: Mutex::default(),
            wrongly_refused: OnceLock::new(),
        };
        shared.admission(|_, _| ());
        shared
    }

    /// Calls the admission, and wakes whoever waits for what has changed because of it.
    pub(super) fn admission<R>(&self, ask: impl FnOnce(&mut Admission, Nanos) -> R) -> R {
        let now = self.now();
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let may_send =
            |admission: &Admission| [true, false].map(|warm_only| admission.may_send(warm_only));
        let (state, could_send) = (admission.health().state(), may_send(&admission));
        admission.refresh(now);
        let answer = ask(&mut admission, now);
        self.offer.store(&admission.offer(now));
        let changes = admission.health().state() != state || may_send(&admission) != could_send;
        if admission.health().state() != state {
            match admission.health().state() {
                State::HalfOpen => tracing::info!("a probe was answered well"),
                State::Closed => tracing::warn!("{} answers again", self.name()),
                State::Open(_) if matches!(state, State::Closed) => {
                    tracing::warn!("{} fails: nothing is sent to it for now", self.name());
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

    /// Returns the time on the admission's clock.
    pub(super) fn now(&self) -> Nanos {
        self.began.elapsed().as_nanos() as Nanos
    }

    /// Counts what only the network and the responses show.
    pub(super) fn count(&self, count: impl FnOnce(&mut Counters)) {
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut admission.counters);
    }

    /// Converts a time on the admission's clock to an instant.
    pub(super) fn instant(&self, time: Nanos) -> Instant {
        self.began + Duration::from_nanos(time)
    }

    /// Returns what workers are told of the remote side.
    pub(super) fn offer(&self) -> Offer {
        self.offer.load().less(self.waiting.load(Relaxed), *self.closed.borrow())
    }

    /// Returns whether records have to wait for room. `waker` is then woken once they do not.
    pub(super) fn waits_for_room(&self, waker: &Arc<CoalescedWaker>) -> bool {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiters.iter().any(|waiter| Arc::ptr_eq(waiter, waker)) {
            waiters.push(Arc::clone(waker));
        }
        drop(waiters);
        // The offer may have changed before the bridge knew whom to wake.
        self.offer().must_wait()
    }

    /// Wakes the workers that wait for room, if they do not have to wait any more.
    pub(super) fn wake_waiters(&self) {
        if !self.offer().must_wait() {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.drain(..).for_each(|waker| waker.wake());
        }
    }

    /// Returns whether the budget is spent.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Relaxed)
    }

    /// Sets the time that a record takes on a worker. Returns whether it was not known before.
    pub(super) fn set_local_record_time(&self, time: Duration) -> bool {
        self.record_ns.swap(time.as_nanos() as u64, Relaxed) == 0
    }

    /// Returns the time that a record takes on a worker.
    pub(super) fn local_record_time(&self) -> Duration {
        Duration::from_nanos(self.record_ns.load(Relaxed))
    }

    /// Disables the remote side because it computed a different result: nothing is sent any more.
    pub(super) fn disable(&self) {
        self.admission(|admission, now| admission.health_mut().disable(now));
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

    /// Logs what to do about a failure, once per kind of failure and cause.
    pub(super) fn warn_once(&self, failure: &Failure) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours =
            matches!(failure, Failure::Closed | Failure::BreakerOpen | Failure::DoneLocally);
        let advice = self.advice(failure);
        if !is_ours && warned.insert((discriminant(failure), advice.clone())) {
            tracing::warn!("a request to {} failed: {failure} ({advice})", self.name());
        }
    }

    /// Logs that a start-up probe failed.
    pub(super) fn warn_of_endpoint(&self, failure: &Failure) {
        let (name, advice) = (self.name(), self.advice(failure));
        tracing::warn!(
            "{name} does not answer as it should: {failure} ({advice}). Nothing is sent until it does"
        );
    }

    /// Returns what logs call the remote side. There may be several functions and services.
    fn name(&self) -> String {
        let kind = if self.settings.is_only_side { "service" } else { "function" };
        format!("the {kind} {}", self.settings.endpoint)
    }

    /// Returns what to do about a failure. Of what can be done about a function, a service has only what is about the way
    /// to it.
    fn advice(&self, failure: &Failure) -> Cow<'static, str> {
        let is_about_the_way = failure.is_refusal() || matches!(failure, Failure::Connection(_));
        match self.settings.is_only_side && !is_about_the_way {
            true => Cow::Borrowed("its records are sent again; see the service's log"),
            false => failure.advice(),
        }
    }

    /// Logs once that the function has refused a record that a worker then computed.
    pub(super) fn warn_once_of_wrongly_refused(&self, code: &str) {
        if self.wrongly_refused.get().is_none() {
            let code = self.http_client.redacted(code.as_bytes());
            if self.wrongly_refused.set(code.clone()).is_ok() {
                let name = self.name();
                tracing::warn!(
                    "{name} refuses records that are good ({code:?}): the workers compute them, and their \
                    requests are paid for all the same"
                );
            }
        }
    }

    /// Returns the code with which the function first refused a record that a worker then computed.
    pub(super) fn wrongly_refused(&self) -> Option<&str> {
        self.wrongly_refused.get().map(String::as_str)
    }

    pub(super) fn record_cpu_time(&self) {
        let cpu = process_stats::thread_cpu().as_nanos() as u64;
        self.count(|counters| counters.cpu_ns = cpu);
    }
}
