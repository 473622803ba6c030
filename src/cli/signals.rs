//! The signals that end a command in good order.

use std::fs;
use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Returns an iterator over SIGINT, SIGTERM, and SIGHUP, which is sent when the terminal is closed.
pub(super) fn termination_signals() -> io::Result<Signals> {
    let signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_hangup_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    Ok(signals)
}

/// Calls `handler` for each of them with the number of earlier ones, on a thread of its own.
pub(super) fn on_signal(mut handler: impl FnMut(usize) + Send + 'static) -> io::Result<()> {
    let mut signals = termination_signals()?;
    let listening = move || {
        let mut count = 0;
        for signal in signals.forever() {
            // The shell and the system both say that a terminal is closed: nobody insists by that.
            if signal != SIGHUP || count == 0 {
                handler(count);
                count += 1;
            }
        }
    };
    thread::Builder::new().name("floodway-signals".to_owned()).spawn(listening).map(drop)
}

/// Whether SIGHUP was ignored when the process started, as under `nohup`: it must stay so. It is not caught
/// either where the system does not tell.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
