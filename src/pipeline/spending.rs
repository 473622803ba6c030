//! Notes what a process spends beside the run's state, while it is spent.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::bridge::{Bridge, Counters, Settings};
use crate::state::{Spent, StateError};

/// How often. A process that is killed forgets what it spent since; each time the disk is waited for,
/// which is why a thread does it that nothing waits for.
const EVERY: Duration = Duration::from_secs(1);

/// The thread.
pub(super) struct Spending {
    ended: Sender<()>,
    thread: JoinHandle<()>,
}

impl Spending {
    /// Starts to note what `bridge` spends; `failed` hears why that cannot be.
    ///
    /// # Errors
    /// If the system has no thread.
    pub(super) fn start(
        spent: Spent,
        bridge: Bridge,
        settings: Settings,
        failed: impl Fn(StateError) + Send + 'static,
    ) -> std::io::Result<Spending> {
        let (ended, ending) = bounded::<()>(0);
        let run = move || {
            let mut noted = 0.0;
            loop {
                let is_over = ending.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected);
                let usd = usd(&bridge.counters(), &settings);
                if usd != noted {
                    if let Err(error) = spent.note(usd) {
                        return failed(error);
                    }
                    noted = usd;
                }
                if is_over {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("floodway-spending".to_owned()).spawn(run)?;
        Ok(Spending { ended, thread })
    }

    /// Notes the last of it.
    pub(super) fn end(self) {
        drop(self.ended);
        // If it has panicked, that was said.
        let _ = self.thread.join();
    }
}

/// What was spent. What is in flight will be billed, whatever becomes of this process: each at what
/// one has cost so far, or may cost.
fn usd(counters: &Counters, settings: &Settings) -> f64 {
    let spent = settings.cost.usd(counters.billed, counters.billed_us as f64 / 1e3);
    let each = match counters.billed {
        0 => settings.first_price(),
        billed => spent / billed as f64,
    };
    spent + counters.in_flight as f64 * each
}
