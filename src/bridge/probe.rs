//! Probes: requests without records. They show whether the endpoint is right and the remote side works,
//! measure the latency, and start environments. Any function can answer them, with no results.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Failure;
use super::admission::AttemptOutcome;
use super::attempt::{Answered, Bill, attempt};
use super::attempt_permit::AttemptPermit;
use super::shared::Shared;
use super::validated_response::ValidatedResponse;
use crate::task::Task;
use crate::wire::RequestBody;

/// Sends the start-up probes, which show whether there is a function that speaks the wire format, and how
/// long it takes. The first request meets a cold environment, the second one a warm one. Each is sent only if the
/// budget covers it.
pub(super) async fn at_start<K: Task>(shared: Arc<Shared>, task: Arc<K>) {
    try_out(&shared, task.as_ref()).await;
    shared.admission(|admission, _| admission.health_mut().mark_started());
}

async fn try_out<K: Task>(shared: &Arc<Shared>, task: &K) {
    for _ in 0..2 {
        if !shared.admission(|admission, _| admission.can_afford()) {
            return;
        }
        shared.live.add(|live| &live.probes, 1);
        let asked = ask(shared, task, AttemptPermit::take(shared), shared.settings.timeout).await;
        shared.admission(|admission, _| admission.health_mut().mark_proven());
        let Err(failure) = asked else { continue };
        // A limit, of the service or of this machine, does not show that the endpoint is wrong.
        if !failure.is_limit() && failure != Failure::Closed {
            let advice = failure.advice();
            tracing::warn!(
                "the endpoint does not answer as it should: {failure} ({advice}). Nothing is \
                sent until it does"
            );
            return shared.admission(|admission, now| admission.health_mut().start_open(now));
        }
    }
}

/// Sends a probe while the breaker is open, to find out whether the remote side has recovered.
pub(super) async fn while_open<K: Task>(shared: Arc<Shared>, task: Arc<K>, permit: AttemptPermit) {
    shared.live.add(|live| &live.probes, 1);
    let timeout = shared.admission(|admission, _| admission.timing().probe_timeout());
    let well = ask(&shared, task.as_ref(), permit, timeout).await.is_ok();
    shared.admission(|admission, now| admission.health_mut().probed(now, well));
}

/// Starts an environment if all others are busy.
pub(super) async fn warm_up<K: Task>(shared: Arc<Shared>, task: Arc<K>, permit: AttemptPermit) {
    shared.live.add(|live| &live.warm_ups, 1);
    // The result is not needed: a later request finds out what is wrong.
    let _ = ask(&shared, task.as_ref(), permit, shared.settings.timeout).await;
}

async fn ask<K: Task>(
    shared: &Arc<Shared>,
    task: &K,
    permit: AttemptPermit,
    timeout: Duration,
) -> Result<(), Failure> {
    let body = RequestBody::begin(Vec::new(), task.name(), Duration::ZERO, usize::MAX).finish();
    let bill = Bill::default();
    let answered = attempt(shared, Bytes::from(body), 0, timeout, &bill, &Arc::default()).await;
    let read = answered.map_err(|failed| failed.failure).and_then(
        |Answered { body, took, cold, .. }| {
            let validated = ValidatedResponse::read(task, &body.0, 0)
                .map_err(|failure| shared.http_client.redact(failure))?;
            Ok((took, cold || validated.cold))
        },
    );
    let outcome = match &read {
        Ok((took, cold)) => AttemptOutcome::Probe { took: *took, cold: *cold },
        Err(_) => AttemptOutcome::ProbeFailed,
    };
    permit.finish(outcome);
    match &read {
        Ok(_) => shared.record_success(),
        Err(failure) => shared.record_failure(failure),
    }
    let (_, cold) = read?;
    shared.live.add(|live| &live.cold_starts, u64::from(cold));
    Ok(())
}
