//! A request in flight: attempts are made until one is answered, or until another one is not worthwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::admission::{AttemptOutcome, LATE_CHECK_INTERVAL, abandon_after};
use super::attempt::{Answered, Bill, Failed, attempt};
use super::attempt_permit::AttemptPermit;
use super::local_load::LocalLoad;
use super::shared::Shared;
use super::validated_response::ValidatedResponse;
use super::wire_timer::WireTimer;
use super::{Failure, WorkItem, backoff};
use crate::task::Task;

/// The attempts of one request, and what they need.
pub(super) struct RetryLoop<'a, K: Task> {
    pub shared: &'a Arc<Shared>,
    pub task: &'a K,
    pub items: &'a [WorkItem<K>],
    pub body: &'a Bytes,
    /// Bytes of the response that the memory permit of the request covers.
    pub expected: usize,
    pub records: usize,
    pub bill: &'a Bill,
    /// Whether an attempt has been in flight for so long that it counts as failed.
    pub overdue: AtomicBool,
    /// Whether an attempt is or was on the wire.
    pub on_wire: AtomicBool,
}

impl<K: Task> RetryLoop<'_, K> {
    /// Makes attempts until there is a valid response, or until the records that are still pending have to be
    /// returned.
    ///
    /// A late request is checked regularly: its workers may have computed its records, the breaker may have
    /// opened, or it may be hedged. The first response wins.
    pub(super) async fn run(&self, permit: AttemptPermit) -> Result<ValidatedResponse<K>, Failure> {
        let shared = self.shared;
        let mut closed = shared.closed.subscribe();
        let mut first = std::pin::pin!(self.attempt_until_done(permit));
        let mut second = None;
        let mut failed = None;
        let sent = Instant::now();
        let mut late_check = std::pin::pin!(sleep_until(
            sent + shared.admission(|admission, _| admission.timing().late())
        ));
        loop {
            tokio::select! {
                biased;
                // An error means that the bridge has ended, which also closes it.
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
                    (Ok(answer), _) => return Ok(ValidatedResponse::of_second_attempt(answer)),
                    (Err(_), Some(failure)) => return Err(failure),
                    (Err(_), None) => second = None,
                },
                () = &mut late_check => {
                    // The attempt is billed and its time is measured, so it continues until it counts as
                    // failed.
                    if !self.is_pending() && self.overdue.load(Relaxed) {
                        return Err(Failure::DoneLocally);
                    }
                    if shared.admission(|admission, _| admission.health().is_open()) {
                        return Err(Failure::BreakerOpen);
                    }
                    if second.is_none()
                        && failed.is_none()
                        && self.on_wire.load(Relaxed)
                        && self.should_hedge()
                    {
                        shared.live.add(|live| &live.hedged, 1);
                        second = Some(Box::pin(self.hedge()));
                    }
                    late_check.as_mut().reset(Instant::now() + LATE_CHECK_INTERVAL);
                }
            }
        }
    }

    /// Returns whether any record of the request is pending.
    fn is_pending(&self) -> bool {
        self.items.iter().any(WorkItem::is_pending)
    }

    /// Returns whether to hedge: only if the workers are too busy to compute late records themselves.
    fn should_hedge(&self) -> bool {
        let remote = self.shared.admission(|admission, _| admission.expected_latency());
        let local = self.local_time();
        local.is_some_and(|local| local > remote)
            && self.shared.admission(|admission, _| admission.may_hedge())
    }

    /// Returns when the workers would have computed the last of the records. None if that is not known.
    fn local_time(&self) -> Option<Duration> {
        let mut workers: Vec<(&Arc<LocalLoad>, usize)> = Vec::new();
        for item in self.items {
            match workers.iter_mut().find(|(local, _)| Arc::ptr_eq(local, item.local_load())) {
                Some((_, records)) => *records += item.records(),
                None => workers.push((item.local_load(), item.records())),
            }
        }
        let times = workers.into_iter().map(|(local, records)| local.time_for(records));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    async fn hedge(&self) -> Result<ValidatedResponse<K>, Failure> {
        self.attempt(AttemptPermit::take(self.shared), 0).await.map_err(|failed| failed.failure)
    }

    /// Makes attempts until one is answered well, none is left, or the workers would be sooner.
    async fn attempt_until_done(
        &self,
        first: AttemptPermit,
    ) -> Result<ValidatedResponse<K>, Failure> {
        let settings = &self.shared.settings;
        let mut tried = 0;
        let mut first = Some(first);
        loop {
            // A retry does not wait for a permit: the budget bounds the number of retries, and requests that
            // wait for a permit are not delayed by those that wait for their backoff.
            let permit = first.take().unwrap_or_else(|| AttemptPermit::take(self.shared));
            let Failed { failure, retry_after } = match self.attempt(permit, self.expected).await {
                Ok(validated) => return Ok(validated),
                Err(failed) => failed,
            };
            tried += 1;
            let throttled = failure.is_limit();
            if failure.may_wait_for_room() && self.items.iter().all(WorkItem::is_remote_only) {
                self.shared.warn_once(&failure);
                // The request is sent again once there is a permit. A throttle has lowered the limit, which
                // is delay enough. Where this machine has no room, it may have none at the lowest limit either.
                let delay = match failure {
                    Failure::Throttled(_) => retry_after.unwrap_or_default(),
                    _ => backoff::delay(settings, false, 0, None, rand::random()),
                };
                self.back_off(delay.min(settings.max_backoff)).await?;
                return Err(failure);
            }
            if tried >= settings.attempts || !failure.is_retryable() {
                return Err(failure);
            }
            let random = rand::random::<f64>();
            let delay = backoff::delay(settings, throttled, tried - 1, retry_after, random);
            let remote = delay + self.shared.admission(|admission, _| admission.expected_latency());
            let local_is_sooner = self.local_time().is_some_and(|local| local <= remote);
            if local_is_sooner
                || !self.shared.admission(|admission, _| admission.may_retry(&failure))
            {
                return Err(failure);
            }
            self.back_off(delay).await?;
        }
    }

    /// Waits before a retry, as long as a retry is still wanted.
    async fn back_off(&self, delay: Duration) -> Result<(), Failure> {
        let until = Instant::now() + delay;
        loop {
            if !self.is_pending() {
                return Err(Failure::DoneLocally);
            }
            if self.shared.admission(|admission, _| admission.health().is_open()) {
                return Err(Failure::BreakerOpen);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            sleep_until(until.min(now + LATE_CHECK_INTERVAL)).await;
        }
    }

    /// Makes one attempt. Reports its outcome to the admission, and also when it is so late that it counts as
    /// failed.
    async fn attempt(
        &self,
        permit: AttemptPermit,
        expected: usize,
    ) -> Result<ValidatedResponse<K>, Failed> {
        let shared = self.shared;
        shared.live.add(|live| &live.attempts, 1);
        let failure_timeout =
            shared.admission(|admission, _| admission.failure_timeout(*permit.sent()));
        let (wire_timer, timeout) = (Arc::new(WireTimer::default()), shared.settings.timeout);
        let sent = attempt(shared, self.body.clone(), expected, timeout, self.bill, &wire_timer);
        let mut sent = std::pin::pin!(sent);
        let becomes_overdue = async {
            wire_timer.is_on().await;
            permit.mark_on_wire();
            self.on_wire.store(true, Relaxed);
            sleep(failure_timeout).await;
        };
        let result = tokio::select! {
            biased;
            result = &mut sent => result,
            () = becomes_overdue => {
                shared.warn_once(&Failure::TimedOut);
                shared.admission(|admission, now| admission.health_mut().failed(now));
                self.overdue.store(true, Relaxed);
                tokio::select! {
                    biased;
                    result = &mut sent => result,
                    // Other workers compute late records themselves.
                    () = sleep(abandon_after(failure_timeout) - failure_timeout), if self.items.iter().any(WorkItem::is_remote_only) => {
                        for item in self.items.iter().filter(|item| item.is_remote_only()) {
                            item.return_pending(&Failure::TimedOut);
                        }
                        sent.await
                    }
                }
            }
        };
        let result = result.and_then(|Answered { body, permit: memory, took, cold }| {
            shared.learn_answer_ratio(body.0.len(), self.body.len());
            let validated = ValidatedResponse::read(self.task, &body.0, self.records)
                .map_err(|failure| shared.http_client.redact(failure))?;
            Ok((took, cold || validated.cold, validated.with_permit(memory)))
        });
        match result {
            Ok((took, cold, validated)) => {
                shared.record_success();
                permit.finish(AttemptOutcome::Succeeded { took, cold });
                Ok(validated)
            }
            Err(failed) => {
                shared.record_failure(&failed.failure);
                let is_throttle = matches!(failed.failure, Failure::Throttled(_));
                shared.live.add(|live| &live.throttled, u64::from(is_throttle));
                permit.finish(AttemptOutcome::Failed(&failed.failure));
                Err(failed)
            }
        }
    }
}
