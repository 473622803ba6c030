//! What happens before a connection is made: whether this machine has room for another is asked, and whoever sends
//! the request that it is for is told.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::descriptors;

tokio::task_local! {
    /// Whether a connection is made for the request that the task sends.
    static IS_NEW: Cell<bool>;
}

/// Sends a request; answers also whether a connection was made for it. One that was not had a connection of the
/// pool, which the other side may have closed meanwhile.
pub(super) async fn watched<R>(send: impl Future<Output = R>) -> (R, bool) {
    let watched = async {
        let result = send.await;
        (result, IS_NEW.with(Cell::get))
    };
    IS_NEW.scope(Cell::new(false), watched).await
}

/// Stands before the client's own connector.
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
        // Outside of a request, none is to be told.
        let _ = IS_NEW.try_with(|is_new| is_new.set(true));
        if descriptors::is_reserve_reached() {
            let error = io::Error::from(rustix::io::Errno::MFILE);
            return Box::pin(async { Err(error.into()) });
        }
        Box::pin(self.0.call(request))
    }
}

/// Whether the system has no room for another connection: no descriptor, port or memory.
pub(super) fn lacks_room(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacking = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    lacking.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
