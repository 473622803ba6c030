//! The server: its threads, its start and its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::invocation::Service;
use super::stats::Live;
use super::threads::Threads;
use super::timer::{self, Timer};
use super::{Builtin, Function, Model, Stats, http};

/// The name that the Invoke path has the function under.
pub const FUNCTION_NAME: &str = "floodway";

/// A local Lambda that serves. Its threads end with it.
pub struct Server {
    address: SocketAddr,
    live: Arc<Live>,
    /// Dropping it ends the threads.
    alive: Mutex<Option<oneshot::Sender<()>>>,
}

/// Threads by number: HTTP, the timer, then those of the functions.
const HTTP: usize = 0;
const TIMER: usize = 1;
const FIRST_FUNCTION: usize = 2;

impl Server {
    /// Serves the tasks that come with Floodway on `listener`.
    ///
    /// # Errors
    /// If the system has no threads for it.
    pub fn start(listener: TcpListener, model: Model) -> io::Result<Server> {
        Server::hosting(listener, model, Arc::new(Builtin::new()))
    }

    /// Serves any function.
    ///
    /// # Errors
    /// If the system has no threads for it.
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
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let functions = FIRST_FUNCTION..FIRST_FUNCTION + cores;
        let live = Arc::new(Live::new(functions.end));
        let (timer, alarms) = Timer::new();
        let (threads, runs) = Threads::new(function, &live, functions);
        for run in runs {
            spawn("function", run)?;
        }
        let of_timer = Arc::clone(&live);
        spawn("lambda-timer", move || timer::run(&alarms, || of_timer.note_cpu(TIMER)))?;
        let service = Arc::new(Service::new(model, threads, timer, Arc::clone(&live)));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (alive, ended) = oneshot::channel();
        let of_http = Arc::clone(&live);
        spawn("lambda", move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, service, of_http) => {}
                    // Ends with an error when the sender is dropped: that is how it is told.
                    _ = ended => {}
                }
            });
        })?;
        Ok(Server { address, live, alive: Mutex::new(Some(alive)) })
    }

    /// The function's URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What was counted until now.
    pub fn stats(&self) -> Stats {
        self.live.snapshot()
    }

    /// Ends it: connections are closed, and what runs is not answered.
    pub fn shutdown(&self) {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(format!("floodway-{name}")).spawn(run).map(drop)
}

async fn accept(listener: tokio::net::TcpListener, service: Arc<Service>, live: Arc<Live>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, mostly: a moment later there are fewer.
                tracing::warn!("the local Lambda cannot accept a connection: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        // Answers are small and written as one; a platform that cannot loses some latency.
        let _ = stream.set_nodelay(true);
        let (service, live) = (Arc::clone(&service), Arc::clone(&live));
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let (service, live) = (Arc::clone(&service), Arc::clone(&live));
                async move {
                    let response = http::answer(service, request).await;
                    live.note_cpu(HTTP);
                    response
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!("a connection to the local Lambda ended: {error}");
            }
        });
    }
}
