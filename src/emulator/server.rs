//! The server: its threads, how it starts and how it ends.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};

use super::body_reader::BodyReader;
use super::http::{self, Frontend};
use super::invocation::Service;
use super::process::{Groups, Processes, StartError};
use super::runtime::FunctionRuntime;
use super::sigv4::Keys;
use super::stats::Live;
use super::threads::Threads;
use super::timeout_stream::TimeoutStream;
use super::timer::{self, Timer};
use super::{Builtin, Function, Model, Package, Stats};
use crate::host_check::AllowedHosts;

/// Name of the function in the Invoke path.
pub const FUNCTION_NAME: &str = "floodway";

/// A running local Lambda. Its threads end when it is dropped.
pub struct Server {
    address: SocketAddr,
    live: Arc<Live>,
    /// Dropping the sender ends the threads; the thread of HTTP is joined.
    alive: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    /// The process groups of the functions, if these run in processes.
    groups: Option<Arc<Groups>>,
}

/// What a server runs, and how.
pub struct Setup {
    model: Model,
    /// The function. `None` stands for the built-in tasks, which are large and are created when they are
    /// needed.
    code: Option<Code>,
    keys: Option<Keys>,
    hosts: AllowedHosts,
    show_output: bool,
    is_cold: bool,
}

enum Code {
    Rust(Arc<dyn Function>),
    Package(Box<Package>),
}

impl Setup {
    /// Serves the built-in tasks, for requests without a signature.
    pub fn new(model: Model) -> Setup {
        let hosts = AllowedHosts::default();
        Setup { model, code: None, keys: None, hosts, show_output: false, is_cold: false }
    }

    /// Serves a function in Rust, on threads of the server.
    pub fn function(self, function: Arc<dyn Function>) -> Setup {
        Setup { code: Some(Code::Rust(function)), ..self }
    }

    /// Serves a function of any language in processes. Its cold starts and its times are real. The model
    /// still applies to the network, the limits, the failures and the throttles.
    pub fn package(self, package: Package) -> Setup {
        Setup { code: Some(Code::Package(Box::new(package))), ..self }
    }

    /// Accepts only requests that are signed with these keys.
    pub fn keys(self, keys: Keys) -> Setup {
        Setup { keys: Some(keys), ..self }
    }

    /// Also accepts requests whose `Host` is one of these names. Without signatures only addresses,
    /// `localhost` and these names are accepted, because a web page could make its own name resolve to this
    /// server.
    pub fn hosts(self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Setup {
        Setup { hosts: AllowedHosts::new(names), ..self }
    }

    /// Sets whether the output of processes is shown on standard error.
    pub fn show_output(self, show_output: bool) -> Setup {
        Setup { show_output, ..self }
    }

    /// Sets that no process of a package is started before the first request.
    pub(crate) fn cold(self) -> Setup {
        Setup { is_cold: true, ..self }
    }

    /// Starts the server on `listener`. The function of a package is started once before this returns, and
    /// that process is the first warm one.
    ///
    /// # Errors
    /// If the system cannot provide threads, or the function's process does not start.
    pub fn serve(self, listener: TcpListener) -> Result<Server, StartError> {
        Server::serve(self, listener)
    }
}

/// Numbers of the threads: HTTP, the timer, then those of the functions.
const HTTP: usize = 0;
const TIMER: usize = 1;
const FIRST_FUNCTION: usize = 2;

impl Server {
    /// Serves the built-in tasks on `listener`.
    ///
    /// # Errors
    /// If the system cannot provide threads.
    pub fn start(listener: TcpListener, model: Model) -> io::Result<Server> {
        Server::hosting(listener, model, Arc::new(Builtin::new()))
    }

    /// Serves any function.
    ///
    /// # Errors
    /// If the system cannot provide threads.
    ///
    /// # Examples
    /// ```
    /// use std::net::TcpListener;
    /// use std::sync::Arc;
    /// use floodway::emulator::{self, Model, Server};
    ///
    /// let square = emulator::function("square", |n: &u64| Ok(n * n));
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let lambda = Server::hosting(listener, Model::default(), Arc::new(square))?;
    /// assert!(lambda.url().starts_with("http://127.0.0.1:"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn hosting(
        listener: TcpListener,
        model: Model,
        function: Arc<dyn Function>,
    ) -> io::Result<Server> {
        Setup::new(model).function(function).serve(listener).map_err(|error| match error {
            StartError::Io(error) => error,
            other => io::Error::other(other),
        })
    }

    /// Serves a function of any language in processes. [`Setup`] has more settings.
    ///
    /// # Errors
    /// If the system cannot provide threads, or the function's process does not start.
    pub fn running(
        listener: TcpListener,
        model: Model,
        package: Package,
    ) -> Result<Server, StartError> {
        Setup::new(model).package(package).serve(listener)
    }

    fn serve(setup: Setup, listener: TcpListener) -> Result<Server, StartError> {
        let Setup { model, code, keys, hosts, show_output, is_cold } = setup;
        let most = CONNECTIONS + model.concurrency;
        let code = code.unwrap_or_else(|| Code::Rust(Arc::new(Builtin::new())));
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let cores = match &code {
            Code::Rust(_) => thread::available_parallelism().map_or(2, usize::from),
            Code::Package(_) => 0,
        };
        let functions = FIRST_FUNCTION..FIRST_FUNCTION + cores;
        let live = Arc::new(Live::new(functions.end));
        let (timer, alarms) = Timer::new();
        let of_timer = Arc::clone(&live);
        spawn("lambda-timer", move || timer::run(&alarms, || of_timer.note_cpu(TIMER)))?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (host, groups) = match code {
            Code::Rust(function) => {
                let (threads, runs) = Threads::new(function, &live, functions);
                for run in runs {
                    spawn("function", run)?;
                }
                (FunctionRuntime::Threads(threads), None)
            }
            Code::Package(package) => {
                let (groups, handle) = (Arc::new(Groups::new()), runtime.handle().clone());
                let processes =
                    Processes::new(*package, &model, show_output, &groups, &live, handle)?;
                (FunctionRuntime::Processes(Box::new(processes)), Some(groups))
            }
        };
        let service = Service::new(model, host, timer, Arc::clone(&live));
        let front = Arc::new(Frontend { service, keys, hosts, body_reader: BodyReader::new() });
        if !is_cold {
            runtime.block_on(front.service.try_start())?;
        }
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (alive, ended) = oneshot::channel();
        let of_http = Arc::clone(&live);
        let http = spawn("lambda", move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, most, &front, of_http) => {}
                    () = front.service.reap(), if front.service.is_real() => {}
                    // Dropping the sender ends this with an error, which is the signal to end.
                    _ = ended => {}
                }
            });
        })?;
        Ok(Server { address, live, alive: Mutex::new(Some((alive, http))), groups })
    }

    /// Returns the function's URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns the URL of direct invocations, whose event is the request itself.
    pub fn invoke_url(&self) -> String {
        format!("http://{}/2015-03-31/functions/{FUNCTION_NAME}/invocations", self.address)
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.live.snapshot()
    }

    /// Ends the server. Connections are closed, running invocations are not answered, and no process of a
    /// function is left when this returns.
    pub fn shutdown(&self) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((alive, http)) = alive {
            drop(alive);
            // A panic of the thread has already been printed.
            let _ = http.join();
        }
        if let Some(groups) = &self.groups {
            groups.end_all();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("floodway-{name}")).spawn(run)
}

/// Number of connections at a time, in addition to one per environment. Others wait until one is closed.
const CONNECTIONS: usize = 1_024;

/// How long a client may take for the head of a request, or be silent between two requests. It is the same as
/// for function URLs.
const IDLE: Duration = Duration::from_secs(20);

/// How long a client may leave a response unread.
const UNREAD: Duration = Duration::from_secs(30);

/// Longest head of a request in bytes, and how much is read ahead of its body.
const HEAD: usize = 32 << 10;
const AHEAD: usize = 2 * HEAD;

async fn accept(
    listener: tokio::net::TcpListener,
    most: usize,
    front: &Arc<Frontend>,
    live: Arc<Live>,
) {
    let connections = Arc::new(Semaphore::new(most));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually too many files are open, and a moment later there are fewer.
                tracing::warn!("the local Lambda cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // Responses are small and written at once. On a platform without this option the latency is higher.
        let _ = stream.set_nodelay(true);
        let (front, live) = (Arc::clone(front), Arc::clone(&live));
        tokio::spawn(async move {
            let _permit = permit;
            let answer = service_fn(|request| {
                let (front, live) = (Arc::clone(&front), Arc::clone(&live));
                async move {
                    let response = http::answer(front, request, peer.ip()).await;
                    live.note_cpu(HTTP);
                    response
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_header_size(HEAD)
                .max_buf_size(AHEAD)
                .serve_connection(TokioIo::new(TimeoutStream::new(stream, UNREAD)), answer);
            if let Err(error) = connection.await {
                tracing::debug!("a connection to the local Lambda ended: {error}");
            }
        });
    }
}
