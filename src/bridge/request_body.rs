//! A request's body, which reports when it is on the wire.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::connection_pool::StreamPermit;

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
        self.stream_permit.mark_on_wire();
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
