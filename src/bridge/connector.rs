//! A layer before the HTTP client's connector. It checks that this machine has room for another connection,
//! and tells the sender of a request that a connection was made for it.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::descriptors;

tokio::task_local! {
    /// Whether a connection was made for the request that the current task sends.
    static IS_NEW: Cell<bool>;
}

/// Sends a request. Returns also whether a connection was made for it; otherwise it used a connection of the
/// pool, which the server may have closed in the meantime.
pub(super) async fn watched<R>(send: impl Future<Output = R>) -> (R, bool) {
    let watched = async {
        let result = send.await;
        (result, IS_NEW.with(Cell::get))
    };
    IS_NEW.scope(Cell::new(false), watched).await
}

/// Layer that wraps the client's own connector.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectorLayer;

impl<S> Layer<S> for ConnectorLayer {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector(inner)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Connector<S>(S);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Outside of a request there is no such value.
        let _ = IS_NEW.try_with(|is_new| is_new.set(true));
        if descriptors::is_reserve_reached() {
            let error = io::Error::from(rustix::io::Errno::MFILE);
            return Box::pin(async { Err(error.into()) });
        }
        Box::pin(self.0.call(request))
    }
}

/// Returns whether the system lacks the descriptor, port or memory for another connection.
pub(super) fn lacks_room(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacking = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    lacking.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
