//! The clock that a dataflow runs by.

use std::time::{Duration, Instant};

use crate::batch::Nanos;

/// Nanoseconds since the run's start, the same instant on every worker.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose zero is `start`.
    pub fn starting(start: Instant) -> Self {
        Clock { start }
    }

    /// The instant of zero.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The time now; zero before the start.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.start.elapsed().as_nanos() as Nanos
    }

    /// How long it is until `time`.
    pub fn until(&self, time: Nanos) -> Duration {
        (self.start + Duration::from_nanos(time)).saturating_duration_since(Instant::now())
    }
}

impl Default for Clock {
    /// A clock that starts now.
    fn default() -> Self {
        Clock::starting(Instant::now())
    }
}
