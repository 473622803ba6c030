//! What the stages on a worker share, and how its time is divided among them.

use std::time::Duration;

use super::profile::{Profile, STEPS};
use super::stage::{Known, Paid, Stage};
use crate::batch::Nanos;

/// What the stages on a worker share.
#[derive(Default)]
pub(super) struct Shared {
    pub stages: Vec<Stage>,
    /// The stages, the one first that saves the least time for a dollar.
    pub dearest: Vec<usize>,
    /// Useful time of all stages.
    pub useful: Duration,
    /// Since when records are counted.
    counted_since: Nanos,
}

/// For how long records are counted.
pub(super) const COUNTED: Nanos = 100_000_000;

/// A stage that sends records has the time in which about this many requests are filled: full ones cost the least.
const FILLED: f64 = 3.0;

/// What a stage keeps waits for some turns of a worker.
const TURNS: Nanos = 2_000_000;

/// A stage is to send before another one if it saves more time for a dollar by this factor. Otherwise their order
/// stays as it is: the measured values vary.
const CLEARLY: f64 = 1.1;

impl Shared {
    /// Measures the flow of the records that were counted for some time.
    pub(super) fn count(&mut self, now: Nanos) {
        let length = now.saturating_sub(self.counted_since);
        if length < COUNTED {
            return;
        }
        self.counted_since = now;
        let mut received_next = 0;
        for Stage { flow, .. } in self.stages.iter_mut().rev() {
            flow.per_second = flow.received as f64 * 1e9 / length as f64;
            if flow.done > 0 {
                flow.results = Some(received_next as f64 / flow.done as f64);
            }
            received_next = flow.received;
            (flow.received, flow.done) = (0, 0);
        }
    }

    /// Updates what a stage knows of itself.
    pub(super) fn update(&mut self, me: usize, known: &Known) {
        let stage = &mut self.stages[me];
        stage.record = known.rate.map_or(stage.record, |rate| 1e9 / rate.max(1e-9));
        // The measured value counts from the first full requests on.
        let Paid { records, usd } = stage.paid;
        let enough = known.batch as f64;
        stage.usd = if records >= enough { usd / records } else { known.usd };
        if records > 50.0 * enough {
            stage.paid = Paid { records: records / 2.0, usd: usd / 2.0 };
        }
        stage.can_send = known.can_send;
        stage.remote = if known.can_send { known.latency + known.slack / 50 } else { 0 };
        let request = known.batch as f64 / stage.flow.per_second.max(1.0);
        stage.fill = (FILLED * request * 1e9) as Nanos;
        // Results of the stage before it arrive a request at a time.
        let results = me.checked_sub(1).map_or(1.0, |before| self.stages[before].results());
        let stage = &mut self.stages[me];
        let request = (known.batch as f64 * results * stage.record) as Nanos;
        stage.local = TURNS + known.slack / 50 + request.min(known.slack / 4);
    }

    /// Sorts the stages. A stage that cannot send has no price, and is the dearest.
    pub(super) fn order(&mut self) {
        let stages = &self.stages;
        let saved = |stage: usize| {
            let Stage { record, usd, .. } = stages[stage];
            if usd > 0.0 { record / usd } else { 0.0 }
        };
        for _ in 1..self.dearest.len() {
            for at in 1..self.dearest.len() {
                let [one, other] = [self.dearest[at - 1], self.dearest[at]].map(saved);
                if one > other * CLEARLY {
                    self.dearest.swap(at - 1, at);
                }
            }
        }
    }

    /// Finds out which stages will send records: those that cannot keep all, in the time that is left to them.
    pub(super) fn expect(&mut self, known: &Known) {
        let Known { now, slack, share, .. } = *known;
        let step = Profile::step(slack);
        for count in 1..=self.dearest.len() {
            let stages = &self.dearest[..count];
            let is_short = (0..STEPS as u64).any(|at| {
                let time = at * step;
                self.needs(stages, now + time) > time as f64 * share + TURNS as f64
            });
            let last = &mut self.stages[self.dearest[count - 1]];
            if is_short && last.can_send {
                last.sends_until = now + slack;
            }
        }
        for stage in &mut self.stages {
            if stage.sends_until < now {
                stage.sends_until = 0;
            }
        }
    }

    /// Computes how long the stages behind each one take. Requests are filled in a part of the time that all
    /// stages leave.
    pub(super) fn look_behind(&mut self, now: Nanos, slack: Nanos) {
        let taken = self.stages.iter().map(|stage| stage.takes()).sum();
        let spare = slack.saturating_sub(taken) / 4;
        let mut after = 0;
        for stage in self.stages.iter_mut().rev() {
            stage.after = after;
            stage.least_after.add(now, slack, after);
            let fill = if stage.sends_until > 0 { stage.fill.min(spare) } else { 0 };
            after += stage.takes() + fill;
        }
    }

    /// Returns the useful time that the records on this worker need at `stages` until `until`.
    pub(super) fn needs(&self, stages: &[usize], until: Nanos) -> f64 {
        let mut needed = 0.0;
        for &at in stages {
            let Stage { record, after, ref waiting, .. } = self.stages[at];
            let due = until + after;
            let mut records = waiting.until(due);
            // Records that this one has for each record of an earlier stage.
            let mut results = 1.0;
            for earlier in (0..at).rev() {
                let stage = &self.stages[earlier];
                results *= stage.results();
                records += results * (stage.waiting.until(due) + stage.in_flight.until(due));
            }
            needed += records * record;
        }
        needed
    }
}
