//! The connections between the processes of a run, from each to each. They are made here and handed to
//! timely, which would take any connection for one of a process, ignore signals while it waits, and not say
//! which process is missing.
//!
//! Each process listens at its own address and connects to those before it ([`Handshake`]). A process that
//! has all of its connections tells all others, and none starts before all have done so.

use std::io;
use std::net::TcpListener as StdListener;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, interval, sleep, timeout};

use super::handshake::{Handshake, HandshakeError};
use super::hosts::Host;
use super::{Stop, TimelySettings};
use crate::units::show_duration;

/// The reason why the processes of a run cannot connect.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The process cannot listen at its address.
    #[error("process {process} cannot listen at {host}")]
    Listen {
        /// The number of the process.
        process: usize,
        /// Its address.
        host: Host,
        /// The cause.
        source: io::Error,
    },
    /// A process was connected and is gone.
    #[error("process {process} at {host} is gone")]
    Gone {
        /// The number of the process.
        process: usize,
        /// Its address.
        host: Host,
    },
    /// A process was started with other numbers of processes or workers.
    #[error("{why}: start all processes of a run with the same -n and -w")]
    Different {
        /// Which process, and the two numbers.
        why: String,
    },
    /// A system call of this process failed.
    #[error("cannot connect the processes")]
    Io(#[from] io::Error),
}

/// The longest time for a handshake. A connection that sends nothing is closed then.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval between two tries to connect to a process.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The number of handshakes that may be open at once. More connections wait, so that strangers take no
/// memory.
const MAX_HANDSHAKES: usize = 64;

/// The interval at which stop requests and lost connections are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The interval at which a warning names the missing processes.
const WARN_INTERVAL: Duration = Duration::from_secs(5);

/// Clocks that are this far apart are worth a warning: signatures and timestamps depend on them.
const MAX_CLOCK_SKEW: Duration = Duration::from_millis(950);

/// The processes of a run, before they are connected.
pub(super) struct Mesh {
    hosts: Arc<[Host]>,
    process: usize,
    workers: usize,
    listener: StdListener,
}

/// The number of a process, and its connection with the offset of its clock, or the error.
type HandshakeResult = (usize, Result<(StdStream, i64), HandshakeError>);

impl Mesh {
    /// Listens for the other processes, if there are any.
    ///
    /// # Errors
    /// If this process cannot listen at its address.
    pub(super) fn listen(timely: &TimelySettings) -> Result<Option<Mesh>, MeshError> {
        let process = timely.process;
        let Some(host) = timely.hosts.get(process).filter(|_| timely.processes > 1) else {
            return Ok(None);
        };
        let bound = StdListener::bind(&host.address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener =
            bound.map_err(|source| MeshError::Listen { process, host: host.clone(), source })?;
        Ok(Some(Mesh {
            hosts: timely.hosts.clone().into(),
            process,
            workers: timely.workers,
            listener,
        }))
    }

    /// Connects all processes. Returns the connections by process, and none if the run was asked to stop
    /// before all were there.
    ///
    /// # Errors
    /// If this process cannot wait any longer.
    pub(super) fn connect(self, stop: &Stop) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connected = runtime.block_on(self.connect_all(stop));
        // The name of a host may be looked up for long.
        runtime.shutdown_background();
        connected
    }

    async fn connect_all(self, stop: &Stop) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        let listener = TcpListener::from_std(self.listener)?;
        let handshake = Handshake {
            processes: self.hosts.len() as u32,
            process: self.process as u32,
            workers: self.workers as u32,
        };
        let (sender, news) = channel(MAX_HANDSHAKES);
        tokio::spawn(accept_all(listener, handshake, sender.clone()));
        let mut connecting = Connecting {
            links: self.hosts.iter().map(|_| None).collect(),
            last_errors: self.hosts.iter().map(|_| None).collect(),
            hosts: self.hosts,
            handshake,
            sender,
        };
        (0..self.process).for_each(|process| connecting.reach(process));
        if !connecting.wait_until_connected(news, stop).await? {
            return Ok(None);
        }
        connecting.wait_until_ready(stop).await
    }
}

/// Accepts connections, and does the handshake with each.
async fn accept_all(listener: TcpListener, handshake: Handshake, sender: Sender<HandshakeResult>) {
    let slots = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let has_warned = Arc::new(AtomicBool::new(false));
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((mut stream, from)) = listener.accept().await else {
            // No descriptor is free, say.
            sleep(POLL_INTERVAL).await;
            continue;
        };
        let (sender, has_warned) = (sender.clone(), Arc::clone(&has_warned));
        tokio::spawn(async move {
            let heard = timeout(HANDSHAKE_TIMEOUT, handshake.accept(&mut stream)).await;
            match heard.unwrap_or_else(|_| Err(HandshakeError::Io(io::ErrorKind::TimedOut.into())))
            {
                Ok((process, ahead)) => {
                    let link = as_link(stream).map(|stream| (stream, ahead));
                    let _ = sender.send((process as usize, link)).await;
                }
                // Whoever looks whether the port is open, or a process that has given up.
                Err(HandshakeError::Io(error)) if error.kind() != io::ErrorKind::TimedOut => {
                    tracing::debug!("a connection from {from} was closed: {error}");
                }
                // There may be any number of them.
                Err(error) if has_warned.swap(true, Relaxed) => {
                    tracing::debug!("closed a connection from {from}: {error}");
                }
                Err(HandshakeError::NotAProcess | HandshakeError::Io(_)) => tracing::warn!(
                    "closed a connection from {from}, which is no process of this run. Only the run's processes \
                     should reach this port"
                ),
                Err(error) => {
                    tracing::warn!("closed a connection from {from}: {error}");
                    if let Some(process) = error.different_process() {
                        let _ = sender.send((process as usize, Err(error))).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

/// Tries to connect to a process until the handshake succeeds.
async fn connect_until_accepted(
    host: Host,
    process: usize,
    handshake: Handshake,
    sender: Sender<HandshakeResult>,
) {
    let connect = async || -> Result<(StdStream, i64), HandshakeError> {
        let mut stream = TcpStream::connect(&*host.address).await?;
        let ahead = handshake.connect(&mut stream, process as u32).await?;
        Ok((as_link(stream)?, ahead))
    };
    loop {
        let connected = timeout(HANDSHAKE_TIMEOUT, connect()).await;
        let connected =
            connected.unwrap_or_else(|_| Err(HandshakeError::Io(io::ErrorKind::TimedOut.into())));
        let is_there = connected.is_ok();
        if sender.send((process, connected)).await.is_err() || is_there {
            return;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// Turns a connection into one of the standard library, which timely takes, and switches off the delay of
/// small packets. It stays non-blocking until timely's threads make it block.
fn as_link(stream: TcpStream) -> Result<StdStream, HandshakeError> {
    stream.set_nodelay(true)?;
    Ok(stream.into_std()?)
}

/// The processes of a run while they connect.
struct Connecting {
    hosts: Arc<[Host]>,
    handshake: Handshake,
    sender: Sender<HandshakeResult>,
    /// The connection to each process, by number. None to this process.
    links: Vec<Option<StdStream>>,
    /// The last error of each process, by number.
    last_errors: Vec<Option<LastError>>,
}

/// Why a process is not connected.
struct LastError {
    why: String,
    /// Whether the process that this one has reached was started with other numbers.
    is_different: bool,
}

impl LastError {
    fn new(why: &str) -> Self {
        LastError { why: why.to_owned(), is_different: false }
    }
}

impl Connecting {
    fn reach(&self, process: usize) {
        let (host, sender) = (self.hosts[process].clone(), self.sender.clone());
        tokio::spawn(connect_until_accepted(host, process, self.handshake, sender));
    }

    fn own(&self) -> usize {
        self.handshake.process as usize
    }

    /// Iterates over the other processes that are not connected.
    fn missing(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|at| *at != self.own() && self.links[*at].is_none())
    }

    /// Waits until all processes are connected. Returns false if the run is to stop.
    async fn wait_until_connected(
        &mut self,
        mut news: Receiver<HandshakeResult>,
        stop: &Stop,
    ) -> Result<bool, MeshError> {
        let (mut ticks, mut warn_at) = (interval(POLL_INTERVAL), Instant::now() + WARN_INTERVAL);
        let mut has_warned = false;
        loop {
            if self.missing().next().is_none() {
                // One that is just gone would be taken for there.
                self.drop_closed();
                if self.missing().next().is_none() {
                    return Ok(true);
                }
            }
            tokio::select! {
                Some((process, result)) = news.recv() => self.on_handshake(process, result),
                _ = ticks.tick() => self.drop_closed(),
            }
            if stop.is_requested() {
                return Ok(false);
            }
            if Instant::now() >= warn_at {
                warn_at += WARN_INTERVAL;
                let missing: Vec<_> = self.missing().collect();
                let mut errors = missing.iter().filter_map(|at| self.last_errors[*at].as_ref());
                // What was there when this one was warned may have been what an earlier run left.
                if let (true, Some(error)) = (has_warned, errors.find(|error| error.is_different)) {
                    return Err(MeshError::Different { why: error.why.clone() });
                }
                has_warned = true;
                self.warn_waiting(&missing, |process| match &self.last_errors[process] {
                    Some(error) => error.why.clone(),
                    None if process > self.own() => "it has not connected".to_owned(),
                    None => "it does not answer".to_owned(),
                });
            }
        }
    }

    fn on_handshake(&mut self, process: usize, result: Result<(StdStream, i64), HandshakeError>) {
        if process >= self.hosts.len() {
            return;
        }
        match result {
            Ok((stream, ahead)) => {
                tracing::info!("connected to process {process} at {}", self.hosts[process]);
                self.compare_clocks(process, ahead);
                // One that was started again takes the place of the one before it.
                self.links[process] = Some(stream);
                self.last_errors[process] = None;
            }
            Err(HandshakeError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // It has said why before, if it knows this process.
                let closed = || LastError::new("it closed the connection");
                self.last_errors[process].get_or_insert_with(closed);
            }
            Err(error) => {
                let is_reached = process < self.own() && error.different_process().is_some();
                let why = error.to_string();
                self.last_errors[process] = Some(LastError { why, is_different: is_reached });
            }
        }
    }

    fn compare_clocks(&self, process: usize, ahead: i64) {
        let apart = Duration::from_nanos(ahead.unsigned_abs());
        if apart >= MAX_CLOCK_SKEW {
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            tracing::warn!(
                "the clock of process {process} at {} is {} {way} this one's. The run does not depend on it, but \
                 AWS refuses signatures that are 5 minutes off, and times in logs do not fit: have both kept by NTP",
                self.hosts[process],
                show_duration(apart),
            );
        }
    }

    /// Drops connections that the other side has closed. Their processes may be started again.
    fn drop_closed(&mut self) {
        for process in 0..self.links.len() {
            if self.links[process].as_ref().is_some_and(is_gone) {
                self.links[process] = None;
                self.last_errors[process] = Some(LastError::new("it was there, and is gone"));
                if process < self.own() {
                    self.reach(process);
                }
            }
        }
    }

    fn warn_waiting(&self, processes: &[usize], why: impl Fn(usize) -> String) {
        const MAX_NAMED: usize = 5;
        let some = processes.iter().take(MAX_NAMED);
        let mut who: Vec<_> = some
            .map(|&process| {
                format!("process {process} at {}: {}", self.hosts[process], why(process))
            })
            .collect();
        if let Some(more) = processes.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            who.push(format!("{more} others"));
        }
        tracing::warn!("waiting for {}", who.join("; "));
    }

    /// Waits until all other processes are connected with each other too.
    async fn wait_until_ready(
        &mut self,
        stop: &Stop,
    ) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        const READY: u8 = 1;
        let mut links = Vec::new();
        for link in std::mem::take(&mut self.links) {
            links.push(link.map(TcpStream::from_std).transpose()?);
        }
        let gone = |process: usize| MeshError::Gone { process, host: self.hosts[process].clone() };
        let others = || (0..self.hosts.len()).filter(|process| *process != self.own());
        for process in others() {
            if let Some(link) = &mut links[process] {
                link.write_all(&[READY]).await.map_err(|_| gone(process))?;
            }
        }
        let mut warn_at = Instant::now() + WARN_INTERVAL;
        for process in others() {
            let Some(link) = &mut links[process] else { continue };
            loop {
                match timeout(POLL_INTERVAL, link.read_u8()).await {
                    Ok(Ok(_)) => break,
                    Ok(Err(_)) => return Err(gone(process)),
                    Err(_) if stop.is_requested() => return Ok(None),
                    Err(_) if Instant::now() >= warn_at => {
                        warn_at += WARN_INTERVAL;
                        self.warn_waiting(&[process], |_| {
                            "it waits for another process".to_owned()
                        });
                    }
                    Err(_) => {}
                }
            }
        }
        let links = links.into_iter().map(|link| link.map(TcpStream::into_std).transpose());
        Ok(Some(links.collect::<io::Result<_>>()?))
    }
}

/// Whether the other side has closed the connection.
fn is_gone(link: &StdStream) -> bool {
    match link.peek(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}
