//! A request's body, which reports when it is on the wire.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection_pool::StreamPermit;

/// When an attempt's request came on the wire. Before, it waits for a connection or a stream, which is
/// neither the remote side's latency nor billed.
#[derive(Debug, Default)]
pub(crate) struct WireTimer(watch::Sender<Option<Instant>>);

impl WireTimer {
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

/// A body in one frame. The client asks for the frame when the connection exists and, over HTTP/2, when the
/// stream is open.
pub(super) struct TimedBody {
    body: Bytes,
    stream_permit: Arc<StreamPermit>,
}

impl TimedBody {
    pub(super) fn new(body: Bytes, stream_permit: Arc<StreamPermit>) -> Self {
        TimedBody { body, stream_permit }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.stream_permit.is_on_wire();
        let body = std::mem::take(&mut self.body);
        Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}
