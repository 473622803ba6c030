//! The thread that samples the run and serves the live view.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::page;
use super::sample::{About, ObservedRun};
use super::view_state::{End, ViewState};
use crate::host_check::{AllowedHosts, check_host_count};

/// The interval at which the run is sampled.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The number of open connections. One more closes the oldest, so that idle clients cannot lock others out.
const MAX_CONNECTIONS: usize = 64;

/// The longest time for a client to send a request, and between two requests.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a connection stays open.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(60);

/// The longest head of a request, in bytes; no request has a body that is read.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// The time after the run's end in which an open page, which asks once a second, may still fetch the end.
const PAGE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The live view of a process. Clones share one server.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    commands: UnboundedSender<Command>,
    pages: Arc<Pages>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Command {
    Watch(Box<About>, Arc<dyn ObservedRun>),
    End(Box<End>),
    Finish,
}

/// When a page last asked, in milliseconds since the start.
struct Pages {
    began: Instant,
    asked: AtomicU64,
}

impl Pages {
    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(super) fn ask(&self) {
        self.asked.store(self.now().max(1), Relaxed);
    }

    fn are_open(&self) -> bool {
        const RECENT: u64 = 3_000;
        let asked = self.asked.load(Relaxed);
        asked > 0 && self.now() < asked + RECENT
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Live").field(&self.0.address).finish()
    }
}

/// Binds the first of `addresses` that is available. Port 0 takes any free port.
///
/// # Errors
/// If none can be bound.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    TcpListener::bind(addresses)
}

impl Live {
    /// Serves on `listener`. Until [`Live::watch`] is called, it says that the run waits to begin. It answers only requests
    /// for an address, for `localhost` and for these names, because a web page could make its own name resolve to this server
    /// and read the responses.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(
        listener: TcpListener,
        names: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> io::Result<Live> {
        let hosts = AllowedHosts::new(names);
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (commands, inbox) = unbounded_channel();
        let pages = Arc::new(Pages { began: Instant::now(), asked: AtomicU64::new(0) });
        let of_thread = Arc::clone(&pages);
        let run = move || {
            let state = Rc::new(RefCell::new(ViewState::default()));
            LocalSet::new().block_on(&runtime, async move {
                spawn_local(accept(listener, hosts, Rc::clone(&state), of_thread));
                watch(&state, inbox).await;
            });
        };
        let thread = thread::Builder::new().name("floodway-live".to_owned()).spawn(run)?;
        Ok(Live(Arc::new(Inner { address, commands, pages, thread: Mutex::new(Some(thread)) })))
    }

    /// Returns the server's address.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Shows this run from now on.
    pub fn watch(&self, about: About, run: Arc<dyn ObservedRun>) {
        self.tell(Command::Watch(Box::new(about), run));
    }

    /// Shows how the run ended.
    pub fn end(&self, end: End) {
        self.tell(Command::End(Box::new(end)));
    }

    /// Continues to serve the last sample for `longer`, and until open pages have fetched the end, unless
    /// `stop` returns true. Then the server ends.
    pub fn finish(&self, longer: Duration, stop: impl Fn() -> bool) {
        const POLL_INTERVAL: Duration = Duration::from_millis(20);
        let began = Instant::now();
        let farewell = || self.0.pages.are_open() && began.elapsed() < PAGE_TIMEOUT;
        while farewell() || began.elapsed() < longer && !stop() {
            thread::park_timeout(POLL_INTERVAL);
        }
        self.tell(Command::Finish);
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread was already reported.
            let _ = thread.join();
        }
    }

    fn tell(&self, command: Command) {
        // Sending fails if the thread has ended.
        let _ = self.0.commands.send(command);
    }
}

/// Samples the run, and handles commands, until both are over.
async fn watch(state: &RefCell<ViewState>, mut inbox: UnboundedReceiver<Command>) {
    let mut looks = interval(POLL_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => state.borrow_mut().update(),
            command = inbox.recv() => match command {
                Some(Command::Watch(about, run)) => state.borrow_mut().watch(*about, run),
                Some(Command::End(end)) => state.borrow_mut().end(*end),
                Some(Command::Finish) | None => return,
            },
        }
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    hosts: AllowedHosts,
    state: Rc<RefCell<ViewState>>,
    pages: Arc<Pages>,
) {
    let hosts = Rc::new(hosts);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually there are too many open files, and soon there are fewer.
                tracing::debug!("the live view cannot accept a connection: {error}");
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let serving =
            spawn_local(serve(stream, Rc::clone(&hosts), Rc::clone(&state), Arc::clone(&pages)));
        open.push_back(serving.abort_handle());
    }
}

async fn serve(
    stream: TcpStream,
    hosts: Rc<AllowedHosts>,
    state: Rc<RefCell<ViewState>>,
    pages: Arc<Pages>,
) {
    // Responses are written at once. A platform that cannot set this option has a higher latency.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request: Request<Incoming>| {
        let (uri, headers) = (request.uri(), request.headers());
        let checked = check_host_count(request.version(), headers)
            .map_err(|why| (StatusCode::BAD_REQUEST, why))
            .and_then(|()| hosts.check(uri, headers).map_err(|why| (StatusCode::FORBIDDEN, why)));
        let response = match checked {
            Ok(()) => page::answer(&request, &state.borrow(), || pages.ask()),
            Err((status, why)) => page::refused(status, why),
        };
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(2 * MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    if timeout(MAX_CONNECTION_AGE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // A client that has not read the response by then is disconnected.
        let _ = timeout(CLIENT_TIMEOUT, connection).await;
    }
}
