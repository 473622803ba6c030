//! The HTTP clients, of which each has one connection where the other side speaks HTTP/2.
//!
//! A server limits the streams of an HTTP/2 connection (RFC 9113 recommends no fewer than 100, and 100 to 250 are
//! usual). What is beyond that would wait inside the client, where nobody sees it, for as long as the function takes.
//! So requests go by as many clients as that needs. Over HTTP/1.1 each request has a connection for itself, and one
//! client is enough.
//!
//! The limit is in no client's interface, so it is found. A connection is given up to [`MAX_STREAMS`] requests. A request
//! that is not on the wire although others of its connection are has met a lower limit: it stays where it is, for one
//! that is taken back may be half sent, and others go by another connection. A busy machine can look the same, and each
//! connection costs a handshake, so no connection is given fewer than [`MIN_STREAMS`], and a limit is forgotten after
//! [`LIMIT_LIFETIME`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Version};
use tokio::time::{Instant, sleep};

use super::request_body::WireTimer;

/// No connection is given fewer. A server with a lower limit is slower, and nothing else: what waits for a stream is
/// not on the wire.
const MIN_STREAMS: usize = 8;

/// No connection is given more: another one costs little, and what waits for a stream costs time.
const MAX_STREAMS: usize = 100;

/// For so long a limit is believed that was found.
const LIMIT_LIFETIME: Duration = Duration::from_secs(60);

/// A request that is not on the wire for so long waits for a stream.
const STALL: Duration = Duration::from_millis(50);

pub(super) struct ConnectionPool {
    /// What makes another one.
    builder: Box<dyn Fn() -> ClientBuilder + Send + Sync>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Never empty.
    connection_pool: Vec<Arc<Connection>>,
    /// Whether the other side speaks HTTP/2.
    is_http2: bool,
    /// The streams of a connection, and when that was found.
    limit: Option<(usize, Instant)>,
}

/// One client, and the requests that it has.
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
        let inner =
            Mutex::new(Inner { connection_pool: vec![first], is_http2: false, limit: None });
        Ok(ConnectionPool { builder: Box::new(builder), inner })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a request whose way is told to `wire_timer`.
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
        let free = inner.connection_pool.iter().find(|one| one.requests.load(Relaxed) < most);
        let one = match free {
            Some(one) => Arc::clone(one),
            None => {
                // Its requests wait for the one connection, and don't open one each.
                let one = Connection::new((self.builder)().http2_prior_knowledge().build()?);
                inner.connection_pool.push(Arc::clone(&one));
                tracing::debug!("{} connections of {most} streams", inner.connection_pool.len());
                one
            }
        };
        one.requests.fetch_add(1, Relaxed);
        let (wire_timer, is_on_wire) = (Arc::clone(wire_timer), AtomicBool::new(false));
        Ok(Arc::new(StreamPermit { one, wire_timer, is_on_wire }))
    }

    /// An answer came by this version of HTTP.
    pub(super) fn answered(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.inner().is_http2 = true;
        }
    }

    /// Waits until it is seen that the request waits for a stream: others of its connection have as many as it
    /// takes.
    pub(super) async fn meets_limit(&self, stream_permit: &StreamPermit) {
        loop {
            let began = Instant::now();
            sleep(STALL).await;
            let on_wire = stream_permit.one.on_wire.load(Relaxed);
            let is_late = began.elapsed() > 2 * STALL;
            // A thread that came so late knows nothing, and a connection without a request is being made.
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

/// A request's place at a client, until its answer was read.
pub(super) struct StreamPermit {
    one: Arc<Connection>,
    wire_timer: Arc<WireTimer>,
    is_on_wire: AtomicBool,
}

impl StreamPermit {
    pub(super) fn client(&self) -> &Client {
        &self.one.client
    }

    /// Its request is being written.
    pub(super) fn is_on_wire(&self) {
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
