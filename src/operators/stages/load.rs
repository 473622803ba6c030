//! The load of each stage, computed from counts and a time. This module reads no clock and no counters.

use std::fmt;
use std::time::Duration;

use crate::stage_needs::{RateTime, StageNeeds, StageWork};
use crate::stage_totals::StageTotals;
use crate::units::{show_count, show_duration, show_many};

/// A stage, with its counts at two instants.
pub(super) struct StageInterval {
    pub name: String,
    pub workers: usize,
    pub before: StageTotals,
    pub after: StageTotals,
    /// Useful time per record until the first instant.
    pub cost: Option<Duration>,
}

/// What one burst operator did, summed over all workers of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct StageLoad {
    /// The stage's name.
    pub name: String,
    /// Records that arrived.
    pub received: u64,
    /// Records that were done, with a result or found bad.
    pub done: u64,
    /// Share of the results that the remote side computed.
    pub remote_share: f64,
    /// Useful time of a worker per record, as last measured. None if no worker has computed a record.
    pub cost: Option<Duration>,
    /// Share of the workers' time that was spent on this stage's records.
    pub useful_share: f64,
    /// Records waiting or in flight at the end.
    pub held: u64,
    /// By how many records `held` has grown since the beginning.
    pub held_more: i64,
    /// Number of workers that this stage would need if no stage limited another one and nothing was sent.
    /// None if the time per record is not known.
    pub needs: Option<f64>,
}

/// What the stages of a chain did in an interval. It is displayed as a table and a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainLoad {
    /// The stages, from the source to the sink.
    pub stages: Vec<StageLoad>,
    /// Length of the interval.
    pub time: Duration,
    /// Number of workers of this process. All stages share their time.
    pub workers: usize,
}

/// Computes the loads of stages, in order from the source to the sink, over an interval of length `time`.
pub(super) fn loads(stages: impl IntoIterator<Item = StageInterval>, time: Duration) -> ChainLoad {
    let seconds = time.as_secs_f64().max(1e-9);
    let mut loads = ChainLoad { stages: Vec::new(), time, workers: 0 };
    let mut works: Vec<StageWork> = Vec::new();
    for StageInterval { name, workers, before, after, cost } in stages {
        let totals = after.since(&before);
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        let record = totals.record_ns().map(|nanos| Duration::from_secs_f64(nanos / 1e9));
        let cost = record.or(cost);
        let record_ns = cost.map(|cost| cost.as_nanos() as f64);
        works.push(StageWork {
            totals,
            record_ns,
            from: works.len().checked_sub(1).into_iter().collect(),
        });
        loads.workers = loads.workers.max(workers);
        loads.stages.push(StageLoad {
            name,
            received: totals.received,
            done: totals.done(),
            remote_share: share(totals.remote as f64, (totals.local + totals.remote) as f64),
            cost,
            useful_share: share(totals.useful_ns as f64 / 1e9, seconds * workers as f64),
            held: after.held,
            held_more: after.held as i64 - before.held as i64,
            needs: None,
        });
    }
    let needs = StageNeeds::in_time(&works, RateTime::Scheduled(seconds), loads.workers);
    for (at, stage) in loads.stages.iter_mut().enumerate() {
        stage.needs = needs.of(at);
    }
    loads
}

impl ChainLoad {
    fn of_stages(&self) -> StageNeeds {
        StageNeeds::new(self.stages.iter().map(|stage| stage.needs), self.workers)
    }

    /// Returns the number of workers that all stages together need.
    pub fn needs(&self) -> f64 {
        self.of_stages().total()
    }

    /// Returns the stage that needs the most workers, if all stages together need more than there are. One
    /// record less at this stage, or one computed elsewhere, saves the most.
    pub fn bottleneck(&self) -> Option<&StageLoad> {
        self.of_stages().bottleneck().map(|stage| &self.stages[stage])
    }

    /// Returns the share of a stage's records that has to be computed elsewhere so that the workers can do
    /// the rest of the chain: 1 if the other stages alone need more than all workers.
    pub fn to_offload(&self, stage: &StageLoad) -> f64 {
        let stage = self.stages.iter().position(|one| one.name == stage.name);
        stage.map_or(0.0, |stage| self.of_stages().to_send(stage))
    }

    /// Returns by how many records per second the backlog of all stages grows.
    fn grows(&self) -> f64 {
        let more: i64 = self.stages.iter().map(|stage| stage.held_more).sum();
        more as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Returns whether the backlog stays about the same.
    pub fn keeps_up(&self) -> bool {
        /// Share of the received records by which the backlog varies because records arrive in batches.
        const NOISE: f64 = 0.05;
        let received: u64 = self.stages.iter().map(|stage| stage.received).sum();
        self.grows() * self.time.as_secs_f64() <= received as f64 * NOISE
    }
}

impl fmt::Display for ChainLoad {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let width = self.stages.iter().map(|stage| stage.name.chars().count()).max();
        let width = width.unwrap_or(0).max("stage".len());
        writeln!(
            f,
            "{:width$}  {:>10}  {:>10}  {:>10}  {:>6}  {:>7}  {:>10}",
            "stage", "came/s", "done/s", "a record", "needs", "remote", "held"
        )?;
        let seconds = self.time.as_secs_f64().max(1e-9);
        let rate = |records: u64| show_count((records as f64 / seconds).round() as u64);
        for stage in &self.stages {
            let StageLoad { name, received, done, cost, needs, remote_share, held, .. } = stage;
            writeln!(
                f,
                "{name:width$}  {:>10}  {:>10}  {:>10}  {:>6}  {:>6.0}%  {:>10}",
                rate(*received),
                rate(*done),
                cost.map_or("?".to_owned(), show_duration),
                needs.map_or("?".to_owned(), |needs| format!("{needs:.2}")),
                remote_share * 100.0,
                show_count(*held),
            )?;
        }
        let workers = show_many(self.workers as u64, "worker");
        let Some(stage) = self.bottleneck() else {
            return write!(f, "keeping up: it needs {:.2} of {workers}", self.needs());
        };
        let StageLoad { name, remote_share, .. } = stage;
        write!(
            f,
            "{name} is the bottleneck: {:.2} of {:.2} that all of it needs, with {workers}",
            stage.needs.unwrap_or(0.0),
            self.needs()
        )?;
        if self.keeps_up() {
            return write!(
                f,
                "; {:.0} % of it is done remotely, and it keeps up",
                remote_share * 100.0
            );
        }
        write!(
            f,
            "; what waits grows by {}/s: {:.0} % of it would have to be done remotely, where {:.0} % are, or \
             {} be there",
            show_count(self.grows().round() as u64),
            self.to_offload(stage) * 100.0,
            remote_share * 100.0,
            show_many(self.needs().ceil() as u64, "worker"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(received: u64, done: [u64; 2], held: u64, cost_us: u64) -> StageTotals {
        let ([local, remote], useful_ns) = (done, cost_us * 1_000 * done[0]);
        let worked = local;
        StageTotals { received, local, remote, held, worked, useful_ns, ..StageTotals::default() }
    }

    fn of(stages: &[(&str, StageTotals)], workers: usize) -> ChainLoad {
        let seen = |(name, after): &(&str, StageTotals)| {
            let (name, before) = (name.to_string(), StageTotals::default());
            StageInterval { name, workers, before, after: *after, cost: None }
        };
        loads(stages.iter().map(seen), Duration::from_secs(1))
    }

    #[test]
    fn needs_are_computed_from_the_rate_that_each_stage_would_be_offered() {
        // 100,000 records per second are offered. Half of them wait before a cheap stage, because the other
        // stage takes the worker's time.
        let loads = of(
            &[
                ("cheap", totals(100_000, [50_000, 0], 50_000, 2)),
                ("dear", totals(50_000, [45_000, 0], 5_000, 20)),
            ],
            1,
        );
        // The needs are not computed from the 50,000 records that were done.
        for (stage, needs) in loads.stages.iter().zip([0.2, 2.0]) {
            assert!((stage.needs.unwrap() - needs).abs() < 1e-9, "{stage:?}");
        }
        assert_eq!(loads.bottleneck().unwrap().name, "dear");
        assert!(!loads.keeps_up());
        // The other stage leaves 0.8 workers for one that needs 2.
        assert!((loads.to_offload(&loads.stages[1]) - 0.6).abs() < 1e-9);
        let shown = loads.to_string();
        assert!(shown.contains("dear is the bottleneck: 2.00 of 2.20"), "{shown}");
        assert!(shown.ends_with(
            "60 % of it would have to be done remotely, where 0 % are, or 3 workers be there"
        ));
    }

    #[test]
    fn a_cheap_stage_with_many_records_can_be_the_bottleneck() {
        let loads = of(
            &[
                ("few", totals(1_000, [1_000, 0], 0, 100)),
                ("many", totals(100_000, [20_000, 80_000], 0, 20)),
            ],
            1,
        );
        let bottleneck = loads.bottleneck().unwrap();
        assert_eq!((&*bottleneck.name, bottleneck.remote_share), ("many", 0.8));
        assert!(loads.keeps_up());
        let shown = loads.to_string();
        assert!(shown.ends_with("; 80 % of it is done remotely, and it keeps up"), "{shown}");
    }

    #[test]
    fn there_is_no_bottleneck_while_the_workers_have_time() {
        let loads = of(&[("a", totals(1_000, [1_000, 0], 0, 100))], 2);
        assert!(loads.bottleneck().is_none() && (loads.needs() - 0.1).abs() < 1e-9);
        assert!((loads.stages[0].useful_share - 0.05).abs() < 1e-9);
        // All records were computed remotely, so the time per record on a worker is not known.
        let loads = of(&[("a", totals(1_000, [0, 1_000], 0, 100))], 2);
        assert_eq!((loads.stages[0].needs, loads.bottleneck()), (None, None));
        let known = Some(Duration::from_millis(5));
        let (before, after) = (StageTotals::default(), totals(1_000, [0, 1_000], 0, 100));
        let seen = StageInterval { name: "a".to_owned(), workers: 2, before, after, cost: known };
        let later = super::loads([seen], Duration::from_secs(1));
        assert_eq!(later.bottleneck().unwrap().needs, Some(5.0));
        assert!(of(&[], 0).to_string().ends_with("it needs 0.00 of 0 workers"));
    }
}
