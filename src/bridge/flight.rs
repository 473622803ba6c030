//! A request on its way: attempts until one is answered, or until it is not worth another.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::attempt::{Answered, Bill, Failed, attempt};
use super::gate::{Came, Sent, lost};
use super::home::LocalLoad;
use super::line::Line;
use super::outgoing::Wire;
use super::request::Believed;
use super::{Failure, WorkItem, backoff};
use crate::task::Task;

/// How often a request that is late looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// What a request needs on its way.
pub(super) struct Flight<'a, K: Task> {
    pub line: &'a Arc<Line>,
    pub task: &'a K,
    pub parts: &'a [WorkItem<K>],
    pub body: &'a Bytes,
    /// Bytes of the answer that the request's own permit is for.
    pub expected: usize,
    pub records: usize,
    pub bill: &'a Bill,
    /// An attempt has been away for so long that it counts as failed.
    pub dead: AtomicBool,
    /// An attempt is on the wire, or was.
    pub on_wire: AtomicBool,
}

impl<K: Task> Flight<'_, K> {
    /// Until there is an answer that may be believed, or none is waited for any more: then the
    /// records that are still open come home.
    ///
    /// A request that is late is looked after: its workers may have done it themselves, the breaker
    /// may have opened, or it may be sent a second time, and the first answer wins.
    pub(super) async fn land(&self, slot: Slot) -> Result<Believed<K>, Failure> {
        let line = self.line;
        let mut closed = line.closed.subscribe();
        let mut first = std::pin::pin!(self.attempts(slot));
        let mut second = None;
        let mut failed = None;
        let sent = Instant::now();
        let mut look =
            std::pin::pin!(sleep_until(sent + line.gate(|gate, _| gate.timing().late())));
        loop {
            tokio::select! {
                biased;
                // An error means that the bridge is gone, which is closed too.
                _ = closed.wait_for(|closed| *closed) => return Err(Failure::Closed),
                result = &mut first, if failed.is_none() => match result {
                    Err(failure) if second.is_some() => failed = Some(failure),
                    result => return result,
                },
                result = async {
                    match second.as_mut() {
                        Some(second) => std::pin::Pin::as_mut(second).await,
                        None => std::future::pending().await,
                    }
                } => match (result, failed.take()) {
                    (Ok(answer), _) => return Ok(Believed::of_second_attempt(answer)),
                    (Err(_), Some(failure)) => return Err(failure),
                    (Err(_), None) => second = None,
                },
                () = &mut look => {
                    // It is paid for, and says how the remote side is: until it counts as failed.
                    if !self.is_open() && self.dead.load(Relaxed) {
                        return Err(Failure::DoneAtHome);
                    }
                    if line.gate(|gate, _| gate.health().is_open()) {
                        return Err(Failure::BreakerOpen);
                    }
                    if second.is_none()
                        && failed.is_none()
                        && self.on_wire.load(Relaxed)
                        && self.wants_another()
                    {
                        line.live.add(|live| &live.hedged, 1);
                        second = Some(Box::pin(self.hedge()));
                    }
                    look.as_mut().reset(Instant::now() + LOOK);
                }
            }
        }
    }

    /// Whether any of its records is still to be done.
    fn is_open(&self) -> bool {
        self.parts.iter().any(WorkItem::is_open)
    }

    /// A second attempt is for workers that are too busy to do a late record themselves.
    fn wants_another(&self) -> bool {
        let remote = self.line.gate(|gate, _| gate.next());
        let home = self.home_time();
        home.is_some_and(|home| home > remote) && self.line.gate(|gate, _| gate.may_hedge())
    }

    /// When the last of its records would be done at home. None if that is not known.
    fn home_time(&self) -> Option<Duration> {
        let mut workers: Vec<(&Arc<LocalLoad>, usize)> = Vec::new();
        for part in self.parts {
            match workers.iter_mut().find(|(home, _)| Arc::ptr_eq(home, part.home())) {
                Some((_, records)) => *records += part.records(),
                None => workers.push((part.home(), part.records())),
            }
        }
        let times = workers.into_iter().map(|(home, records)| home.time_for(records));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    async fn hedge(&self) -> Result<Believed<K>, Failure> {
        self.attempt(Slot::take(self.line), 0).await.map_err(|failed| failed.failure)
    }

    /// Attempts until one is answered well, none is left, or home is sooner.
    async fn attempts(&self, first: Slot) -> Result<Believed<K>, Failure> {
        let settings = &self.line.settings;
        let mut tried = 0;
        let mut first = Some(first);
        loop {
            // A retry does not ask for a place: the budget bounds how many there are, and whoever
            // waits for a place is not delayed by those that wait for their backoff.
            let slot = first.take().unwrap_or_else(|| Slot::take(self.line));
            let Failed { failure, retry_after } = match self.attempt(slot, self.expected).await {
                Ok(believed) => return Ok(believed),
                Err(failed) => failed,
            };
            tried += 1;
            let throttled = failure.is_limit();
            let waits = throttled && self.parts.iter().all(WorkItem::is_left);
            if waits {
                // It goes again once there is a place for it: the limit knows of the throttle.
                self.back_off(retry_after.unwrap_or_default().min(settings.max_backoff)).await?;
                return Err(failure);
            }
            if tried >= settings.attempts || !failure.is_worth_another_attempt() {
                return Err(failure);
            }
            let random = rand::random::<f64>();
            let delay = backoff::delay(settings, throttled, tried - 1, retry_after, random);
            let remote = delay + self.line.gate(|gate, _| gate.next());
            let home_is_sooner = self.home_time().is_some_and(|home| home <= remote);
            if home_is_sooner || !self.line.gate(|gate, _| gate.may_retry(&failure)) {
                return Err(failure);
            }
            self.back_off(delay).await?;
        }
    }

    /// Waits before a retry, as long as there is to be one.
    async fn back_off(&self, delay: Duration) -> Result<(), Failure> {
        let until = Instant::now() + delay;
        loop {
            if !self.is_open() {
                return Err(Failure::DoneAtHome);
            }
            if self.line.gate(|gate, _| gate.health().is_open()) {
                return Err(Failure::BreakerOpen);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            sleep_until(until.min(now + LOOK)).await;
        }
    }

    /// Sends it once. The gate hears what came of it, and when it is so late that it counts as
    /// failed. The answer's first `expected` bytes have a permit.
    async fn attempt(&self, slot: Slot, expected: usize) -> Result<Believed<K>, Failed> {
        let line = self.line;
        line.live.add(|live| &live.attempts, 1);
        let dead = line.gate(|gate, _| gate.dead(*slot.sent()));
        let (wire, timeout) = (Arc::new(Wire::default()), line.settings.timeout);
        let sent = attempt(line, self.body.clone(), expected, timeout, self.bill, &wire);
        let mut sent = std::pin::pin!(sent);
        let is_dead = async {
            wire.is_on().await;
            slot.is_on_wire();
            self.on_wire.store(true, Relaxed);
            sleep(dead).await;
        };
        let result = tokio::select! {
            biased;
            result = &mut sent => result,
            () = is_dead => {
                line.complain(&Failure::TimedOut);
                line.gate(|gate, now| gate.health_mut().failed(now));
                self.dead.store(true, Relaxed);
                tokio::select! {
                    biased;
                    result = &mut sent => result,
                    // Other workers do what is late by themselves.
                    () = sleep(lost(dead) - dead), if self.parts.iter().any(WorkItem::is_left) => {
                        for part in self.parts.iter().filter(|part| part.is_left()) {
                            part.bring_home(&Failure::TimedOut);
                        }
                        sent.await
                    }
                }
            }
        };
        let result = result.and_then(|Answered { body, permit, took, cold }| {
            line.learn_ratio(body.0.len(), self.body.len());
            let believed = Believed::read(self.task, &body.0, self.records)
                .map_err(|failure| line.remote.cleaned(failure))?;
            Ok((took, cold || believed.cold, believed.with_permit(permit)))
        });
        match result {
            Ok((took, cold, believed)) => {
                line.answered_well();
                slot.came(Came::Well { took, cold });
                Ok(believed)
            }
            Err(failed) => {
                line.went_wrong(&failed.failure);
                let is_throttle = failed.failure == Failure::Throttled;
                line.live.add(|live| &live.throttled, u64::from(is_throttle));
                slot.came(Came::Failed(&failed.failure));
                Err(failed)
            }
        }
    }
}

/// An attempt's place among those in flight. The gate hears what came of it, or that it was given
/// up.
pub(super) struct Slot {
    line: Arc<Line>,
    sent: Mutex<Sent>,
    told: bool,
}

impl Slot {
    pub(super) fn take(line: &Arc<Line>) -> Self {
        line.live.add(|live| &live.in_flight, 1);
        let sent = line.gate(|gate, now| gate.goes(now));
        tracing::trace!("an attempt goes: {sent:?}");
        Slot { line: Arc::clone(line), sent: Mutex::new(sent), told: false }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its request is on the wire.
    pub(super) fn is_on_wire(&self) {
        self.line.gate(|gate, now| gate.is_on_wire(now, &mut self.sent()));
    }

    /// It is over.
    pub(super) fn came(mut self, came: Came<'_>) {
        self.tell(came);
    }

    fn tell(&mut self, came: Came<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            self.line.live.in_flight.fetch_sub(1, Relaxed);
            let sent = *self.sent();
            tracing::trace!("{sent:?} came to {came:?}");
            self.line.gate(|gate, now| gate.came(now, sent, came));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.tell(Came::GivenUp);
    }
}
