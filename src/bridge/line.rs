//! What all lanes of a bridge send by: the client, the counters, and what is known of the remote
//! side.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::bodies::Bodies;
use super::breaker::State;
use super::counters::Live;
use super::gate::Gate;
use super::outlook::Outlook;
use super::port::Bell;
use super::remote::Remote;
use super::{Failure, Settings};
use crate::batch::Nanos;
use crate::process_stats;
use crate::wire::MAX_BODY;

pub(super) struct Line {
    pub settings: Settings,
    pub remote: Remote,
    pub live: Live,
    pub bodies: Bodies,
    pub closed: watch::Sender<bool>,
    /// Counts up when lanes should look again: a request is over, the breaker has changed.
    pub news: watch::Sender<u64>,
    /// Records that wait in the lanes.
    pub waiting: AtomicUsize,
    gate: Mutex<Gate>,
    began: Instant,
    /// For the workers: records that may wait in the lanes, and from which age on a part is late.
    may_wait: AtomicUsize,
    late_ns: AtomicU64,
    /// Whether what waits for room will have it, and the workers that do.
    is_there: AtomicBool,
    waiters: Mutex<Vec<Arc<Bell>>>,
    median_ns: AtomicU64,
    p99_ns: AtomicU64,
    cold_ns: AtomicU64,
    /// As the bits of an `f64`.
    failure_rate: AtomicU64,
    warm_room: AtomicUsize,
    most_records: AtomicUsize,
    /// Whether a request with records was answered, and what a record takes at home.
    has_worked: AtomicBool,
    record_ns: AtomicU64,
    /// Whether the budget is spent.
    is_spent: AtomicBool,
    /// Bytes of an answer for each thousand of its request, the most of late.
    ratio: AtomicU64,
    complained: Mutex<HashSet<Discriminant<Failure>>>,
    complained_of_records: AtomicBool,
    /// Whether anything was ever answered well, and how the last request or probe failed that did.
    has_answered: AtomicBool,
    last_failure: Mutex<Option<Failure>>,
}

/// Before the first answer: byte-pair tokens are 2.6 times as long as their text.
const FIRST_RATIO: u64 = 3_000;

impl Line {
    pub(super) fn new(settings: Settings, remote: Remote) -> Self {
        let line = Line {
            gate: Mutex::new(Gate::new(settings.clone())),
            bodies: Bodies::new(settings.body_bytes),
            settings,
            remote,
            live: Live::default(),
            closed: watch::Sender::new(false),
            news: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
            may_wait: AtomicUsize::new(0),
            late_ns: AtomicU64::new(0),
            is_there: AtomicBool::new(false),
            waiters: Mutex::default(),
            median_ns: AtomicU64::new(0),
            p99_ns: AtomicU64::new(0),
            cold_ns: AtomicU64::new(0),
            failure_rate: AtomicU64::new(0),
            warm_room: AtomicUsize::new(0),
            most_records: AtomicUsize::new(0),
            has_worked: AtomicBool::new(false),
            record_ns: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            ratio: AtomicU64::new(FIRST_RATIO),
            complained: Mutex::default(),
            complained_of_records: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            last_failure: Mutex::default(),
        };
        line.gate(|_, _| ());
        line
    }

    /// Asks or tells the gate. Whoever waits for what has changed because of it is woken.
    pub(super) fn gate<R>(&self, ask: impl FnOnce(&mut Gate, Nanos) -> R) -> R {
        let now = self.began.elapsed().as_nanos() as Nanos;
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let may_send = |gate: &Gate| [true, false].map(|warm_only| gate.may_send(warm_only));
        let (state, could_send) = (gate.health().state(), may_send(&gate));
        gate.look(now);
        let answer = ask(&mut gate, now);
        self.may_wait.store(gate.may_wait(), Relaxed);
        self.late_ns.store(gate.timing().late().as_nanos() as u64, Relaxed);
        self.is_there.store(gate.is_there(), Relaxed);
        self.median_ns.store(gate.timing().known_median().as_nanos() as u64, Relaxed);
        self.p99_ns.store(gate.timing().known_p99(now).as_nanos() as u64, Relaxed);
        self.cold_ns.store(gate.timing().known_cold().as_nanos() as u64, Relaxed);
        self.failure_rate.store(gate.failure_rate().to_bits(), Relaxed);
        self.warm_room.store(gate.warm_room(), Relaxed);
        self.most_records.store(gate.most_records(), Relaxed);
        self.has_worked.store(gate.timing().has_worked(), Relaxed);
        let news = gate.health().state() != state || may_send(&gate) != could_send;
        if gate.health().state() != state {
            self.live.breaker_opened.store(gate.health().opened(), Relaxed);
            match gate.health().state() {
                State::HalfOpen => tracing::info!("a probe was answered well"),
                State::Closed => tracing::warn!("the remote side answers again"),
                State::Open(_) if matches!(state, State::Closed) => {
                    tracing::warn!("the remote side fails: nothing is sent to it for now");
                }
                _ => {}
            }
        }
        let is_spent = gate.is_spent();
        if self.is_spent.swap(is_spent, Relaxed) != is_spent {
            match (is_spent, gate.next_look()) {
                (false, _) => tracing::warn!("the budget lasts again"),
                (true, Some(_)) => {
                    tracing::warn!("the hour's budget is spent: nothing is sent for now")
                }
                (true, None) => tracing::warn!("the budget is spent: nothing is sent from now on"),
            }
        }
        drop(gate);
        if news {
            self.news.send_modify(|count| *count += 1);
        }
        answer
    }

    /// The instant that is `time` on the gate's clock.
    pub(super) fn instant(&self, time: Nanos) -> Instant {
        self.began + Duration::from_nanos(time)
    }

    /// Records that workers may hand over now.
    pub(super) fn room(&self) -> usize {
        let may_wait = if *self.closed.borrow() { 0 } else { self.may_wait.load(Relaxed) };
        may_wait.saturating_sub(self.waiting.load(Relaxed))
    }

    /// Whether records that wait for room will have it.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Relaxed) && !*self.closed.borrow()
    }

    /// Rings `bell` once there is room, or none is to be waited for.
    pub(super) fn ring_when_there_is_room(&self, bell: &Arc<Bell>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiters.iter().any(|waiter| Arc::ptr_eq(waiter, bell)) {
            waiters.push(Arc::clone(bell));
        }
    }

    /// Rings for the workers that wait for room, if they need not any more.
    pub(super) fn tell_waiters(&self) {
        if self.room() > 0 || !self.is_there() {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.drain(..).for_each(|bell| bell.ring());
        }
    }

    /// Those of them that will meet no cold environment, as far as is known.
    pub(super) fn warm_room(&self) -> usize {
        self.warm_room.load(Relaxed).saturating_sub(self.waiting.load(Relaxed))
    }

    /// Whether the budget is spent.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Relaxed)
    }

    /// Records of a full request.
    pub(super) fn most_records(&self) -> usize {
        self.most_records.load(Relaxed)
    }

    /// What a record takes a worker.
    pub(super) fn record_takes(&self, time: Duration) {
        self.record_ns.store(time.as_nanos() as u64, Relaxed);
    }

    /// What is to be added to the times that were measured.
    fn outlook(&self) -> Outlook {
        let record = Duration::from_nanos(self.record_ns.load(Relaxed));
        let has_worked = self.has_worked.load(Relaxed);
        Outlook::new(has_worked, record, self.most_records())
    }

    /// What the work of a full request is believed to take on top of what is known.
    pub(super) fn work(&self) -> Duration {
        self.outlook().work()
    }

    fn request_time(&self, nanos: &AtomicU64) -> Duration {
        self.outlook().request(Duration::from_nanos(nanos.load(Relaxed)))
    }

    /// How long a request takes that meets a warm environment; zero while that is not known.
    pub(super) fn median(&self) -> Duration {
        self.request_time(&self.median_ns)
    }

    /// How long all but one of a hundred requests take.
    pub(super) fn p99(&self) -> Duration {
        self.request_time(&self.p99_ns)
    }

    /// The share of the last attempts that failed.
    pub(super) fn failure_rate(&self) -> f64 {
        f64::from_bits(self.failure_rate.load(Relaxed))
    }

    /// How long a request takes whose environment is cold; zero before one was met.
    pub(super) fn cold(&self) -> Duration {
        self.request_time(&self.cold_ns)
    }

    /// From which age on a part is late, counted from when it was handed over.
    pub(super) fn late(&self) -> Duration {
        Duration::from_nanos(self.late_ns.load(Relaxed)) + self.settings.linger
    }

    /// Nothing is sent any more: the remote side was found to compute something else.
    pub(super) fn disable(&self) {
        self.gate(|gate, _| gate.health_mut().disable());
    }

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

    /// Bytes that the answer to a request of so many bytes is expected to have.
    pub(super) fn expected_answer(&self, request: usize) -> usize {
        let ratio = self.ratio.load(Relaxed) as usize;
        (request * ratio / 1_000).min(MAX_BODY)
    }

    /// Bytes a request may have so that its answer stays below the limit too.
    pub(super) fn request_limit(&self) -> usize {
        let ratio = self.ratio.load(Relaxed).max(1_000) as usize;
        self.settings.batch_bytes.min(MAX_BODY * 9 / 10 * 1_000 / ratio)
    }

    /// Something was answered well: the endpoint is right.
    pub(super) fn answered_well(&self) {
        self.has_answered.store(true, Relaxed);
    }

    /// Something failed.
    pub(super) fn went_wrong(&self, failure: &Failure) {
        if failure.is_of_the_remote_side() {
            let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(failure.clone());
        }
    }

    /// How the last request or probe failed that did.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last failure, if it was a refusal and nothing was ever answered well.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let has_answered = self.has_answered.load(Relaxed);
        self.last_failure().filter(|last| last.is_refusal() && !has_answered)
    }

    /// Says once for each kind of failure what to do about it.
    pub(super) fn complain(&self, failure: &Failure) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours =
            matches!(failure, Failure::Closed | Failure::BreakerOpen | Failure::DoneAtHome);
        if !is_ours && complained.insert(discriminant(failure)) {
            tracing::warn!("a request went wrong: {failure} ({})", failure.advice());
        }
    }

    /// Says once that the function refuses records which the task at home may not refuse.
    pub(super) fn complain_of_records(&self, code: &str) {
        if !self.complained_of_records.swap(true, Relaxed) {
            let code = self.remote.shown(code.as_bytes());
            tracing::warn!(
                "the function refuses records ({code:?}): the workers compute them, and their \
                requests are paid for all the same"
            );
        }
    }

    pub(super) fn note_cpu(&self) {
        self.live.cpu_ns.store(process_stats::thread_cpu().as_nanos() as u64, Relaxed);
    }
}
