//! What changed between two samples.

use std::time::Duration;

use super::super::sample::{About, Function, Sample};
use crate::batch::Nanos;
use crate::observe::{Counts, OnTime, WaitReason};
use crate::units::{show_count, show_duration};

/// A share of the time from which something matters.
pub(super) const SOME: f64 = 0.1;
/// A share of the time from which something is busy all the time.
pub(super) const BUSY: f64 = 0.85;
/// The time in seconds from which a backlog, or the lateness of a source, counts as a queue.
pub(super) const LONG: f64 = 0.2;

/// The changes between two samples, per second.
pub(super) struct Interval<'a> {
    pub about: &'a About,
    pub now: &'a Sample,
    pub seconds: f64,
    pub workers: f64,
    /// The number of records that were done.
    pub done: f64,
    /// The results that came in time, and where the late ones were made.
    pub on_time: OnTime,
    pub late: Counts,
    /// Shares of the workers' time.
    pub task: f64,
    pub cpu: f64,
    pub waited: [f64; WaitReason::ALL.len()],
    /// The share of the writer's time.
    pub writer: f64,
    pub functions: Vec<FunctionInterval<'a>>,
}

/// What changed at a function between two samples.
pub(super) struct FunctionInterval<'a> {
    pub function: &'a Function,
    /// The share of the time of the bridge's thread.
    pub bridge: f64,
    pub throttled: u64,
    /// Of which stages it is the function. Empty if it is the only function.
    pub of: String,
}

impl<'a> Interval<'a> {
    pub(super) fn new(about: &'a About, before: &Sample, now: &'a Sample) -> Option<Self> {
        let nanos = now.at.checked_sub(before.at).filter(|nanos| *nanos > 0)?;
        let share = |now: Nanos, before: Nanos| now.saturating_sub(before) as f64 / nanos as f64;
        let workers = about.workers.max(1) as f64;
        let function = |(index, function): (usize, &'a Function)| {
            let before = before.functions.get(index).map(|function| function.remote.counters);
            let (before, counters) = (before.unwrap_or_default(), &function.remote.counters);
            FunctionInterval {
                function,
                bridge: share(counters.cpu_ns, before.cpu_ns),
                throttled: counters.throttled.saturating_sub(before.throttled),
                of: match now.functions.len() {
                    1 => String::new(),
                    _ => format!(" of {}", function.stages.join(" and ")),
                },
            }
        };
        let mut waited = [0.0; WaitReason::ALL.len()];
        for (at, waited) in waited.iter_mut().enumerate() {
            *waited = share(now.snapshot.waited[at], before.snapshot.waited[at]) / workers;
        }
        let seconds = nanos as f64 / 1e9;
        let done = now.snapshot.counts.since(&before.snapshot.counts).done();
        Some(Interval {
            about,
            now,
            seconds,
            workers,
            done: done as f64 / seconds,
            on_time: now.snapshot.on_time_since(&before.snapshot),
            late: now.snapshot.late.since(&before.snapshot.late),
            task: share(now.snapshot.useful_ns, before.snapshot.useful_ns) / workers,
            cpu: share(now.snapshot.cpu_ns, before.snapshot.cpu_ns) / workers,
            waited,
            writer: share(now.writer.busy_ns, before.writer.busy_ns),
            functions: now.functions.iter().enumerate().map(function).collect(),
        })
    }

    pub(super) fn waited_for(&self, what: WaitReason) -> f64 {
        self.waited[what as usize]
    }

    /// Returns the records that wait on workers, without those in flight.
    pub(super) fn queued(&self) -> u64 {
        self.now.snapshot.backlog.saturating_sub(self.now.snapshot.in_flight)
    }

    /// Returns the seconds that the queue takes at the current rate.
    pub(super) fn queue_s(&self) -> f64 {
        self.queued() as f64 / self.done.max(1.0)
    }

    pub(super) fn late_s(&self) -> f64 {
        self.now.late_ns() as f64 / 1e9
    }

    /// Whether the threshold is above the workers' capacity.
    pub(super) fn keeps_too_much(&self) -> bool {
        let all = self.done * self.about.processes.max(1) as f64;
        self.about.threshold_eps.is_none_or(|threshold| threshold > all)
    }

    /// Describes the queue in words.
    pub(super) fn queue(&self) -> String {
        let queued = show_count(self.queued());
        let mut says = format!("{queued} records wait, which take {}", span(self.queue_s()));
        if self.late_s() > LONG {
            says += &format!(", and the source is {} behind its schedule", span(self.late_s()));
        }
        says
    }
}

pub(super) fn percent(share: f64) -> String {
    match share {
        0.0..0.01 => "less than 1 %".to_owned(),
        _ => format!("{:.0} %", share * 100.0),
    }
}

pub(super) fn span(seconds: f64) -> String {
    show_duration(Duration::from_millis((seconds * 1e3).min(1e12) as u64))
}
