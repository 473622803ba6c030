//! Records what a process spends, in the state folder, while it spends it.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::remote_side::FunctionBridge;
use crate::state::{Spent, StateError};

/// The interval between two writes. A process that is killed forgets what it spent since the last one. Each
/// write waits for the disk, so a thread of its own does it.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// The thread that writes what is spent.
pub(super) struct SpendLog {
    ended: Sender<()>,
    thread: JoinHandle<()>,
}

impl SpendLog {
    /// Starts to record what is spent for the `functions`. `failed` is called if that fails.
    ///
    /// # Errors
    /// If the system has no thread.
    pub(super) fn start(
        spent: Spent,
        functions: Vec<FunctionBridge>,
        failed: impl Fn(StateError) + Send + 'static,
    ) -> std::io::Result<SpendLog> {
        let (ended, ending) = bounded::<()>(0);
        let run = move || {
            let mut written = 0.0;
            loop {
                let is_over =
                    ending.recv_timeout(WRITE_INTERVAL) == Err(RecvTimeoutError::Disconnected);
                let usd = functions.iter().map(usd).sum();
                if usd != written {
                    if let Err(error) = spent.note(usd) {
                        return failed(error);
                    }
                    written = usd;
                }
                if is_over {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("floodway-spending".to_owned()).spawn(run)?;
        Ok(SpendLog { ended, thread })
    }

    /// Writes the last amount, and ends the thread.
    pub(super) fn finish(self) {
        drop(self.ended);
        // If it has panicked, that was said.
        let _ = self.thread.join();
    }
}

/// Returns the US dollars that were spent for a function. Requests in flight will be billed, whatever happens to this
/// process: each counts as the average so far, or as the highest price of the first.
fn usd(function: &FunctionBridge) -> f64 {
    let counters = function.bridge.counters();
    let spent = function.settings.spent(&counters);
    let each = match counters.billed {
        0 => function.settings.first_price(),
        billed => spent / billed as f64,
    };
    spent + counters.in_flight as f64 * each
}
