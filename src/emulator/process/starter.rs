//! The thread that starts processes. Starting takes milliseconds, for which requests must not wait. The
//! started processes have a low priority.

use std::io;
use std::process::Command;
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::threads::yield_to_others;

struct Job {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

/// Starts processes on a thread, which ends when this is dropped.
pub(super) struct Starter(Sender<Job>);

impl Starter {
    /// Creates a starter of processes that are watched on `runtime`.
    pub(super) fn new(runtime: Handle) -> io::Result<Starter> {
        let (sender, jobs) = unbounded::<Job>();
        let start = move || {
            yield_to_others();
            let _entered = runtime.enter();
            for Job { command, started } in jobs {
                let mut command = tokio::process::Command::from(command);
                // If the request has given up waiting, the process is dropped, which kills it.
                let _ = started.send(command.kill_on_drop(true).spawn());
            }
        };
        thread::Builder::new().name("floodway-starter".to_owned()).spawn(start)?;
        Ok(Starter(sender))
    }

    pub(super) async fn start(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the local Lambda ends");
        let (started, child) = oneshot::channel();
        self.0.send(Job { command, started }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}
