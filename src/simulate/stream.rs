//! The stream: a schedule split into ticks.

use std::sync::Arc;

use super::TICK;
use crate::batch::{Nanos, Span};
use crate::policy::Offered;
use crate::schedule::Schedule;

/// The events of a schedule up to an end, tick by tick. Events are distributed to the workers in turn.
#[derive(Clone, Debug)]
pub struct Stream {
    schedule: Arc<Schedule>,
    events: u64,
    end: Nanos,
    workers: u64,
    epoch: Nanos,
    /// The rate of all workers together, in events per second. A higher rate is a burst.
    capacity: f64,
}

/// Events that are due in a tick, over all workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    first: u64,
    end: u64,
    /// When the events are due.
    pub scheduled: Span,
    /// Whether the rate exceeds that of the workers.
    pub is_burst: bool,
}

impl Stream {
    /// Creates the stream of the first `events` events of a schedule, for `workers` that compute `capacity`
    /// events per second together. `None` if there are no events.
    pub fn new(
        schedule: Arc<Schedule>,
        events: u64,
        workers: usize,
        epoch: Nanos,
        capacity: f64,
    ) -> Option<Self> {
        let end = schedule.time(events.checked_sub(1)?)? + 1;
        let (workers, epoch) = (workers.max(1) as u64, epoch.max(1));
        Some(Stream { schedule, events, end, workers, epoch, capacity })
    }

    /// Returns the number of events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the number of ticks until the last event is due.
    pub fn ticks(&self) -> u64 {
        self.end.div_ceil(TICK)
    }

    /// Returns when the last event is due.
    pub fn end(&self) -> Nanos {
        self.end
    }

    fn count(&self, time: Nanos) -> u64 {
        self.schedule.count(time).min(self.events)
    }

    pub(super) fn tick(&self, tick: u64) -> Tick {
        let start = tick * TICK;
        let (first, end) = (self.count(start), self.count(start + TICK));
        let scheduled = match end > first {
            // The events are taken to be evenly spread, even if the rate changes within the tick.
            true => Span {
                first: self.schedule.time(first).unwrap_or(start),
                last: self.schedule.time(end - 1).unwrap_or(start),
            },
            false => Span::at(start),
        };
        let is_burst = self.schedule.rate(scheduled.first) > self.capacity;
        Tick { first, end, scheduled, is_burst }
    }

    /// Returns how many of a tick's events the worker receives.
    pub(super) fn own(&self, worker: usize, tick: &Tick) -> usize {
        (self.turns(worker, tick.end) - self.turns(worker, tick.first)) as usize
    }

    /// Returns how many of the first `events` events the worker receives.
    fn turns(&self, worker: usize, events: u64) -> u64 {
        (events + self.workers - 1 - worker as u64) / self.workers
    }

    /// Returns when epoch `epoch` ends, if there is one.
    pub(super) fn epoch_end(&self, epoch: u64) -> Option<Nanos> {
        let start = epoch.checked_mul(self.epoch)?;
        (start < self.end).then(|| start + self.epoch)
    }

    /// Returns how many records epoch `epoch` has.
    pub(super) fn offered(&self, worker: usize, epoch: u64) -> Offered {
        let first = self.count(epoch * self.epoch);
        let end = self.count((epoch + 1) * self.epoch);
        let mine = self.turns(worker, end) - self.turns(worker, first);
        Offered { mine, total: end - first, length: self.epoch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Shape;

    #[test]
    fn every_event_belongs_to_one_worker_one_tick_and_one_epoch() {
        let schedule = Schedule::new(Shape::Spike, 1_234.0, 98_765.0, 1_000_000_000).unwrap();
        for workers in 1..5 {
            let schedule = Arc::new(schedule.clone());
            let stream = Stream::new(schedule, 30_001, workers, 7_500_000, 50_000.0).unwrap();
            let ticks = (0..stream.ticks()).map(|tick| stream.tick(tick));
            let all = ticks.map(|tick| (0..workers).map(|w| stream.own(w, &tick)).sum::<usize>());
            assert_eq!(all.sum::<usize>(), 30_001);
            let epochs = (0..).take_while(|epoch| stream.epoch_end(*epoch).is_some());
            let offered = epochs.map(|epoch| {
                let own: u64 = (0..workers).map(|w| stream.offered(w, epoch).mine).sum();
                assert_eq!(own, stream.offered(0, epoch).total);
                own
            });
            assert_eq!(offered.sum::<u64>(), 30_001);
            assert!(stream.tick(150).is_burst && !stream.tick(250).is_burst);
        }
    }
}
