//! A timer with a precision of tens of microseconds. (Tokio's timer has a precision of one millisecond.)

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tokio::sync::oneshot;

/// A wait that is shorter than this ends at once: waking a thread takes as long.
const NOW: Duration = Duration::from_micros(20);

/// A timer. Clones are cheap and share a thread, which ends with the last clone.
#[derive(Clone)]
pub(super) struct Timer(Sender<Alarm>);

pub(super) struct Alarm {
    at: Instant,
    ring: oneshot::Sender<()>,
}

impl Timer {
    /// Creates a timer, and the channel that its thread reads.
    pub(super) fn new() -> (Timer, Receiver<Alarm>) {
        let (sender, alarms) = unbounded();
        (Timer(sender), alarms)
    }

    /// Waits until `at`.
    pub(super) async fn until(&self, at: Instant) {
        if at <= Instant::now() + NOW {
            return;
        }
        let (ring, rung) = oneshot::channel();
        if self.0.send(Alarm { at, ring }).is_ok() {
            // This fails only if the timer's thread has ended, and then nothing waits any more.
            let _ = rung.await;
        }
    }
}

/// Completes `alarms` when they are due. `turned` is called after each turn.
pub(super) fn run(alarms: &Receiver<Alarm>, turned: impl Fn()) {
    let mut waiting: BTreeMap<(Instant, u64), oneshot::Sender<()>> = BTreeMap::new();
    let mut number = 0;
    loop {
        let now = Instant::now();
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) {
            // A waiter that was dropped need not be woken.
            let _ = first.remove().send(());
        }
        turned();
        let received = match waiting.first_key_value() {
            Some(((at, _), _)) => alarms.recv_deadline(*at),
            None => alarms.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(Alarm { at, ring }) => {
                waiting.insert((at, number), ring);
                number += 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
