//! Requests without records: they say whether the endpoint is right and the remote side well, how
//! long the way is, and they start environments. Any function answers them: no records, no results.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Failure;
use super::attempt::{Answered, Bill, attempt};
use super::flight::Slot;
use super::gate::Came;
use super::line::Line;
use super::request::Believed;
use crate::task::Task;
use crate::wire::RequestBody;

/// At the start: is there a function that speaks the wire, and how long does it take? The first
/// request finds a cold environment, the second one a warm one.
pub(super) async fn at_start<K: Task>(line: Arc<Line>, task: Arc<K>) {
    try_out(&line, task.as_ref()).await;
    line.gate(|gate, _| gate.health_mut().starts());
}

async fn try_out<K: Task>(line: &Arc<Line>, task: &K) {
    for _ in 0..2 {
        line.live.add(|live| &live.probes, 1);
        let asked = ask(line, task, line.settings.timeout).await;
        line.gate(|gate, _| gate.health_mut().proves());
        let Err(failure) = asked else { continue };
        if !matches!(failure, Failure::Throttled | Failure::Closed) {
            let advice = failure.advice();
            tracing::warn!(
                "the endpoint does not answer as it should: {failure} ({advice}). Nothing is \
                sent until it does"
            );
            return line.gate(|gate, now| gate.health_mut().begins_open(now));
        }
    }
}

/// While the breaker is open: is the remote side well again?
pub(super) async fn while_open<K: Task>(line: Arc<Line>, task: Arc<K>) {
    line.live.add(|live| &live.probes, 1);
    let timeout = line.gate(|gate, _| gate.timing().probe_timeout());
    let well = ask(&line, task.as_ref(), timeout).await.is_ok();
    line.gate(|gate, now| gate.health_mut().probed(now, well));
}

/// Starts an environment, if all others are busy.
pub(super) async fn warm_up<K: Task>(line: Arc<Line>, task: Arc<K>) {
    line.live.add(|live| &live.warm_ups, 1);
    // A request that follows will find out what is wrong.
    let _ = ask(&line, task.as_ref(), line.settings.timeout).await;
}

async fn ask<K: Task>(line: &Arc<Line>, task: &K, timeout: Duration) -> Result<(), Failure> {
    let slot = Slot::take(line);
    let body = RequestBody::begin(Vec::new(), task.name(), Duration::ZERO, usize::MAX).finish();
    let bill = Bill::default();
    let answered = attempt(line, Bytes::from(body), 0, timeout, &bill, &Arc::default()).await;
    let read = answered.map_err(|failed| failed.failure).and_then(
        |Answered { body, took, cold, .. }| {
            let believed =
                Believed::read(task, &body.0, 0).map_err(|failure| line.remote.cleaned(failure))?;
            Ok((took, cold || believed.cold))
        },
    );
    let came = match &read {
        Ok((took, cold)) => Came::Probe { took: *took, cold: *cold },
        Err(_) => Came::ProbeFailed,
    };
    slot.came(came);
    match &read {
        Ok(_) => line.answered_well(),
        Err(failure) => line.went_wrong(failure),
    }
    let (_, cold) = read?;
    line.live.add(|live| &live.cold_starts, u64::from(cold));
    Ok(())
}
