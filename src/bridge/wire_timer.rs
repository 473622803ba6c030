//! Measures the time from when a request is on the wire.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When an attempt's request came on the wire. Before, it waits for a connection or a stream, which is
/// neither the remote side's latency nor billed.
#[derive(Debug, Default)]
pub(crate) struct WireTimer(watch::Sender<Option<Instant>>);

impl WireTimer {
    /// Records that the request is on the wire.
    pub(super) fn sent(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// Returns for how long the request has been on the wire. None if it is not.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        self.0.borrow().map(|since| since.elapsed())
    }

    /// Completes when the request is on the wire.
    pub(super) async fn is_on(&self) {
        // This never fails: the sender exists as long as `self`.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}
