//! Runs each policy as a process of its own.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{output::print_message, signals};

/// Starts runs one after the other. The first signal stops the current run in good order, and no other
/// starts; the second kills it, and finished runs are still reported; the third ends the command.
pub(super) struct Children {
    heard: Arc<AtomicUsize>,
    current: Arc<Mutex<Option<Pid>>>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    /// A signal asked to stop, before or during the run. A partial run is not compared with complete ones.
    Stopped,
    Failed(ExitStatus),
}

impl Children {
    pub(super) fn new() -> std::io::Result<Self> {
        let children = Children { heard: Arc::default(), current: Arc::default() };
        let (heard, current) = (Arc::clone(&children.heard), Arc::clone(&children.current));
        signals::on_signal(move |before| {
            heard.store(before + 1, Relaxed);
            // The child hears it once, from here: it has a process group of its own. What it has done is
            // not kept, so that nothing is lost with it.
            let signal = if before == 0 { Signal::INT } else { Signal::KILL };
            if let Some(pid) = *current.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = kill_process(pid, signal);
            }
            if before > 1 {
                print_message("ended by a third signal");
                std::process::exit(1);
            }
        })?;
        Ok(children)
    }

    /// Whether a signal asked to stop.
    pub(super) fn stopped(&self) -> bool {
        self.heard.load(Relaxed) > 0
    }

    /// Whether a second signal killed the run.
    pub(super) fn aborted(&self) -> bool {
        self.heard.load(Relaxed) > 1
    }

    /// Runs this command with `args` until it ends. Its progress and its warnings are shown.
    pub(super) fn run(&self, args: &[OsString]) -> Result<Ended> {
        let program = std::env::current_exe().context("cannot find this command's own file")?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let mut child = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            // A signal that came since the last look found nobody to end; one that comes from here
            // on finds this one.
            if self.stopped() {
                return Ok(Ended::Stopped);
            }
            let child = command.spawn().context("cannot start a run")?;
            *current = Some(Pid::from_child(&child));
            child
        };
        let status = child.wait().context("cannot wait for a run")?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(match status.success() {
            _ if self.stopped() => Ended::Stopped,
            true => Ended::Done,
            false => Ended::Failed(status),
        })
    }
}

impl Ended {
    /// Returns why the run failed, if it did: by its summary, or by its exit.
    pub(super) fn failed(&self, summary: &Path) -> Option<String> {
        let Ended::Failed(status) = self else { return None };
        let error = || {
            let json = std::fs::read(summary).ok()?;
            let summary: serde_json::Value = serde_json::from_slice(&json).ok()?;
            Some(summary.get("error")?.as_str()?.to_owned())
        };
        Some(error().unwrap_or_else(|| match (status.signal(), status.code()) {
            (Some(signal), _) => format!("it was ended by signal {signal}"),
            (None, Some(code)) => format!("it ended with {code}"),
            (None, None) => "it ended".to_owned(),
        }))
    }
}
