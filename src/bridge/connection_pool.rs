//! A pool of HTTP clients. Over HTTP/2 each client has one connection.
//!
//! A server limits the streams of an HTTP/2 connection (RFC 9113 recommends at least 100, and 100 to 250 are
//! usual). Requests beyond the limit would wait inside the client, unobserved, for as long as the function
//! takes. So requests are spread over as many clients as they need. Over HTTP/1.1 each request has its own
//! connection, and one client is enough.
//!
//! No client reports the limit, so the pool finds it. A connection is given up to [`MAX_STREAMS`] requests.
//! If a request is not on the wire although other requests of its connection are, the limit is lower. The
//! request stays where it is, because it may be half sent, and later requests use another connection. A busy
//! machine can look the same, and each connection costs a handshake, so a connection is always given at least
//! [`MIN_STREAMS`] requests, and a limit is forgotten after [`LIMIT_LIFETIME`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Version};
use tokio::time::{Instant, sleep};

use super::wire_timer::WireTimer;

/// Each connection is given at least this many requests. If the server's limit is lower, the only effect is a
/// delay: a request that waits for a stream is not on the wire.
const MIN_STREAMS: usize = 8;

/// Each connection is given at most this many requests: another connection costs little, and waiting for a
/// stream costs time.
const MAX_STREAMS: usize = 100;

/// How long a limit that was found is used.
const LIMIT_LIFETIME: Duration = Duration::from_secs(60);

/// A request that is not on the wire after this time waits for a stream.
const STALL: Duration = Duration::from_millis(50);

pub(super) struct ConnectionPool {
    /// Creates a client.
    builder: Box<dyn Fn() -> ClientBuilder + Send + Sync>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The connections: at least one.
    connections: Vec<Arc<Connection>>,
    /// Whether the server speaks HTTP/2.
    is_http2: bool,
    /// Limit on the streams of a connection, and when it was found.
    limit: Option<(usize, Instant)>,
}

/// One client, and the number of its requests.
pub(super) struct Connection {
    pub client: Client,
    requests: AtomicUsize,
    on_wire: AtomicUsize,
}

impl Connection {
    fn new(client: Client) -> Arc<Connection> {
        Arc::new(Connection { client, requests: AtomicUsize::new(0), on_wire: AtomicUsize::new(0) })
    }
}

impl ConnectionPool {
    pub(super) fn new(
        builder: impl Fn() -> ClientBuilder + Send + Sync + 'static,
    ) -> reqwest::Result<Self> {
        let first = Connection::new(builder().build()?);
        let inner = Mutex::new(Inner { connections: vec![first], is_http2: false, limit: None });
        Ok(ConnectionPool { builder: Box::new(builder), inner })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a permit for a request. `wire_timer` records the times of the request.
    pub(super) fn stream_permit(
        &self,
        wire_timer: &Arc<WireTimer>,
    ) -> reqwest::Result<Arc<StreamPermit>> {
        let mut inner = self.inner();
        inner.limit = inner.limit.filter(|(_, found)| found.elapsed() < LIMIT_LIFETIME);
        let most = match (inner.is_http2, inner.limit) {
            (false, _) => usize::MAX,
            (true, Some((limit, _))) => limit,
            (true, None) => MAX_STREAMS,
        };
        let free = inner.connections.iter().find(|one| one.requests.load(Relaxed) < most);
        let one = match free {
            Some(one) => Arc::clone(one),
            None => {
                // The requests then wait for this one connection instead of opening one each.
                let one = Connection::new((self.builder)().http2_prior_knowledge().build()?);
                inner.connections.push(Arc::clone(&one));
                tracing::debug!("{} connections of {most} streams", inner.connections.len());
                one
            }
        };
        one.requests.fetch_add(1, Relaxed);
        let (wire_timer, is_on_wire) = (Arc::clone(wire_timer), AtomicBool::new(false));
        Ok(Arc::new(StreamPermit { one, wire_timer, is_on_wire }))
    }

    /// Records the HTTP version of a response.
    pub(super) fn answered(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.inner().is_http2 = true;
        }
    }

    /// Completes when the request is found to wait for a stream, because other requests use all streams of
    /// its connection.
    pub(super) async fn meets_limit(&self, stream_permit: &StreamPermit) {
        loop {
            let began = Instant::now();
            sleep(STALL).await;
            let on_wire = stream_permit.one.on_wire.load(Relaxed);
            let is_late = began.elapsed() > 2 * STALL;
            // This proves nothing if this thread was delayed, or if the connection has no request on the wire
            // yet.
            if stream_permit.is_on_wire.load(Relaxed) {
                return;
            }
            if is_late || on_wire == 0 {
                continue;
            }
            let mut inner = self.inner();
            let known = inner.limit.map_or(MAX_STREAMS, |(limit, _)| limit);
            inner.limit = Some((on_wire.clamp(MIN_STREAMS, known), Instant::now()));
            return;
        }
    }
}

/// A request's permit to use a client, until its response was read.
pub(super) struct StreamPermit {
    one: Arc<Connection>,
    wire_timer: Arc<WireTimer>,
    is_on_wire: AtomicBool,
}

impl StreamPermit {
    pub(super) fn client(&self) -> &Client {
        &self.one.client
    }

    /// Records that the request is being written.
    pub(super) fn mark_on_wire(&self) {
        if !self.is_on_wire.swap(true, Relaxed) {
            self.one.on_wire.fetch_add(1, Relaxed);
            self.wire_timer.sent();
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.one.requests.fetch_sub(1, Relaxed);
        self.one.on_wire.fetch_sub(usize::from(*self.is_on_wire.get_mut()), Relaxed);
    }
}
