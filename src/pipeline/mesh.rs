//! The connections between the processes of a run, from each to each. They are made here and handed to timely,
//! which would take any connection for one of a process, heed no signal, and not say whom it waits for.
//!
//! Each process listens at its own address and connects to those before it ([`Greeting`]). One that has all of
//! its connections says so to all, and nobody begins before all have said so.

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

use super::greeting::{Greeting, Refused};
use super::hosts::Host;
use super::{Stop, TimelySettings};
use crate::units::show_duration;

/// Why the processes of a run do not come together.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The process cannot be reached by the others.
    #[error("process {process} cannot listen at {host}")]
    Listen {
        /// The process.
        process: usize,
        /// Where it should.
        host: Host,
        /// Why it cannot.
        source: io::Error,
    },
    /// A process that was there is gone.
    #[error("process {process} at {host} is gone")]
    Gone {
        /// The process.
        process: usize,
        /// Where it was.
        host: Host,
    },
    /// Something of this process's own.
    #[error("cannot connect the processes")]
    Io(#[from] io::Error),
}

/// How long the other side may take for its part of a greeting. A connection that says nothing is closed then.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it is until a process that cannot be reached is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Connections whose greeting is not over: more wait, so that strangers take no memory.
const AT_ONCE: usize = 64;

/// How often it is looked whether the run is to stop, or whether a connection is gone.
const LOOK: Duration = Duration::from_millis(100);

/// How long it takes until it is said who is waited for, and until it is said again.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Clocks that are this far apart are worth a word: signatures and what is written of times depend on them.
const APART: Duration = Duration::from_millis(950);

/// The processes, before they are connected.
pub(super) struct Mesh {
    hosts: Arc<[Host]>,
    process: usize,
    listener: StdListener,
}

/// What a greeting came to.
type News = (usize, Result<(StdStream, i64), Refused>);

impl Mesh {
    /// Listens for the other processes, if there are any.
    ///
    /// # Errors
    /// If this process cannot be reached at its address.
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
        Ok(Some(Mesh { hosts: timely.hosts.clone().into(), process, listener }))
    }

    /// Connects all processes; answers the connections by process, and nothing if the run was asked to stop
    /// before all were there.
    ///
    /// # Errors
    /// If this process cannot go on waiting.
    pub(super) fn connect(self, stop: &Stop) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connected = runtime.block_on(self.meet(stop));
        // The name of a host may be looked up for long.
        runtime.shutdown_background();
        connected
    }

    async fn meet(self, stop: &Stop) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        let listener = TcpListener::from_std(self.listener)?;
        let greeting =
            Greeting { processes: self.hosts.len() as u32, process: self.process as u32 };
        let (sender, news) = channel(AT_ONCE);
        tokio::spawn(hear(listener, greeting, sender.clone()));
        let mut meeting = Meeting {
            links: self.hosts.iter().map(|_| None).collect(),
            troubles: vec![None; self.hosts.len()],
            hosts: self.hosts,
            greeting,
            sender,
        };
        (0..self.process).for_each(|process| meeting.reach(process));
        if !meeting.all_come(news, stop).await? {
            return Ok(None);
        }
        meeting.all_have_come(stop).await
    }
}

/// Answers whoever connects.
async fn hear(listener: TcpListener, greeting: Greeting, sender: Sender<News>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let was_said = Arc::new(AtomicBool::new(false));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((mut stream, from)) = listener.accept().await else {
            // No descriptor is free, say.
            sleep(LOOK).await;
            continue;
        };
        let (sender, was_said) = (sender.clone(), Arc::clone(&was_said));
        tokio::spawn(async move {
            let heard = timeout(PATIENCE, greeting.accept(&mut stream)).await;
            match heard.unwrap_or_else(|_| Err(Refused::Io(io::ErrorKind::TimedOut.into()))) {
                Ok((process, ahead)) => {
                    let link = as_link(stream).map(|stream| (stream, ahead));
                    let _ = sender.send((process as usize, link)).await;
                }
                // Whoever looks whether the port is open, or a process that has given up.
                Err(Refused::Io(error)) if error.kind() != io::ErrorKind::TimedOut => {
                    tracing::debug!("a connection from {from} was closed: {error}");
                }
                // There may be any number of them.
                Err(error) if was_said.swap(true, Relaxed) => {
                    tracing::debug!("closed a connection from {from}: {error}");
                }
                Err(Refused::Stranger | Refused::Io(_)) => tracing::warn!(
                    "closed a connection from {from}, which is no process of this run. Only the run's processes \
                     should reach this port"
                ),
                Err(error) => tracing::warn!("closed a connection from {from}: {error}"),
            }
            drop(permit);
        });
    }
}

/// Tries to connect to a process until it is connected.
async fn reach(host: Host, process: usize, greeting: Greeting, sender: Sender<News>) {
    let connect = async || -> Result<(StdStream, i64), Refused> {
        let mut stream = TcpStream::connect(&*host.address).await?;
        let ahead = greeting.connect(&mut stream, process as u32).await?;
        Ok((as_link(stream)?, ahead))
    };
    loop {
        let connected = timeout(PATIENCE, connect()).await;
        let connected =
            connected.unwrap_or_else(|_| Err(Refused::Io(io::ErrorKind::TimedOut.into())));
        let is_there = connected.is_ok();
        if sender.send((process, connected)).await.is_err() || is_there {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// A connection that both sides know.
fn as_link(stream: TcpStream) -> Result<StdStream, Refused> {
    stream.set_nodelay(true)?;
    Ok(stream.into_std()?)
}

/// The processes, as far as they are there.
struct Meeting {
    hosts: Arc<[Host]>,
    greeting: Greeting,
    sender: Sender<News>,
    /// By process; none to this one.
    links: Vec<Option<StdStream>>,
    /// Why it is not there, by process.
    troubles: Vec<Option<String>>,
}

impl Meeting {
    fn reach(&self, process: usize) {
        let (host, sender) = (self.hosts[process].clone(), self.sender.clone());
        tokio::spawn(reach(host, process, self.greeting, sender));
    }

    fn own(&self) -> usize {
        self.greeting.process as usize
    }

    /// The others that are not connected.
    fn missing(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|at| *at != self.own() && self.links[*at].is_none())
    }

    /// Waits until all are connected; answers whether they are, or the run is to stop.
    async fn all_come(&mut self, mut news: Receiver<News>, stop: &Stop) -> Result<bool, MeshError> {
        let (mut looks, mut say_at) = (interval(LOOK), Instant::now() + SAY_EVERY);
        loop {
            if self.missing().next().is_none() {
                // One that is just gone would be taken for there.
                self.look();
                if self.missing().next().is_none() {
                    return Ok(true);
                }
            }
            tokio::select! {
                Some((process, came)) = news.recv() => self.hear_of(process, came),
                _ = looks.tick() => self.look(),
            }
            if stop.is_requested() {
                return Ok(false);
            }
            if Instant::now() >= say_at {
                say_at += SAY_EVERY;
                let missing: Vec<_> = self.missing().collect();
                self.say(&missing, |process| match &self.troubles[process] {
                    Some(why) => why.clone(),
                    None if process > self.own() => "it has not connected".to_owned(),
                    None => "it does not answer".to_owned(),
                });
            }
        }
    }

    fn hear_of(&mut self, process: usize, came: Result<(StdStream, i64), Refused>) {
        match came {
            Ok((stream, ahead)) => {
                tracing::info!("connected to process {process} at {}", self.hosts[process]);
                self.compare_clocks(process, ahead);
                // One that was started again takes the place of the one before it.
                self.links[process] = Some(stream);
                self.troubles[process] = None;
            }
            Err(Refused::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.troubles[process] = Some("it closed the connection".to_owned());
            }
            Err(error) => self.troubles[process] = Some(error.to_string()),
        }
    }

    fn compare_clocks(&self, process: usize, ahead: i64) {
        let apart = Duration::from_nanos(ahead.unsigned_abs());
        if apart >= APART {
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            tracing::warn!(
                "the clock of process {process} at {} is {} {way} this one's. The run does not depend on it, but \
                 AWS refuses signatures that are 5 minutes off, and times in logs do not fit: have both kept by NTP",
                self.hosts[process],
                show_duration(apart),
            );
        }
    }

    /// Finds connections whose other side is gone: its process may come again.
    fn look(&mut self) {
        for process in 0..self.links.len() {
            if self.links[process].as_ref().is_some_and(is_gone) {
                self.links[process] = None;
                self.troubles[process] = Some("it was there, and is gone".to_owned());
                if process < self.own() {
                    self.reach(process);
                }
            }
        }
    }

    fn say(&self, processes: &[usize], why: impl Fn(usize) -> String) {
        const MOST: usize = 5;
        let some = processes.iter().take(MOST);
        let mut who: Vec<_> = some
            .map(|&process| {
                format!("process {process} at {}: {}", self.hosts[process], why(process))
            })
            .collect();
        if let Some(more) = processes.len().checked_sub(MOST).filter(|more| *more > 0) {
            who.push(format!("{more} others"));
        }
        tracing::warn!("waiting for {}", who.join("; "));
    }

    /// Waits until all others are connected with each other too.
    async fn all_have_come(
        &mut self,
        stop: &Stop,
    ) -> Result<Option<Vec<Option<StdStream>>>, MeshError> {
        const HERE: u8 = 1;
        let mut links = Vec::new();
        for link in std::mem::take(&mut self.links) {
            links.push(link.map(TcpStream::from_std).transpose()?);
        }
        let gone = |process: usize| MeshError::Gone { process, host: self.hosts[process].clone() };
        let others = || (0..self.hosts.len()).filter(|process| *process != self.own());
        for process in others() {
            if let Some(link) = &mut links[process] {
                link.write_all(&[HERE]).await.map_err(|_| gone(process))?;
            }
        }
        let mut say_at = Instant::now() + SAY_EVERY;
        for process in others() {
            let Some(link) = &mut links[process] else { continue };
            loop {
                match timeout(LOOK, link.read_u8()).await {
                    Ok(Ok(_)) => break,
                    Ok(Err(_)) => return Err(gone(process)),
                    Err(_) if stop.is_requested() => return Ok(None),
                    Err(_) if Instant::now() >= say_at => {
                        say_at += SAY_EVERY;
                        self.say(&[process], |_| "it waits for another process".to_owned());
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
