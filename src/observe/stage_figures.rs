//! The figures of a stage in the summary.

use std::time::Duration;

use serde::Serialize;

use super::StageCounts;
use crate::stage_needs::{RateTime, StageWork, rates};
use crate::stage_totals::StageTotals;
use crate::units::{show_count, show_duration};

/// What was done at a stage, over all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageFigures {
    /// The name of the stage.
    pub name: String,
    /// Whether it is a call, which no worker can compute.
    #[serde(skip)]
    pub is_call: bool,
    /// The name of the policy. None for a call.
    pub policy: Option<String>,
    /// The number of records that arrived.
    pub received: u64,
    /// The number of records that are done, bad ones among them.
    pub done: u64,
    /// The number of results that the remote side computed.
    pub remote: u64,
    /// The useful time of a worker for a record, in microseconds. None if no worker has computed one.
    pub useful_us: Option<f64>,
    /// The records per second that it would be offered if no stage limited the rate of another one and the source did not
    /// have to wait, or those that it did if the source has no schedule.
    pub offered_eps: f64,
    /// The number of workers that these records would keep busy if nothing were sent.
    pub needs_workers: Option<f64>,
    /// Cost of the attempts at its records, in US dollars.
    pub cost_usd: f64,
    /// Dollars for each hour of a worker that was saved by results of the remote side. None if there are none.
    pub usd_per_saved_hour: Option<f64>,
}

impl StageFigures {
    /// Returns the figures of stages with these counts.
    pub(super) fn all(stages: &[StageCounts], time: RateTime) -> Vec<Self> {
        let works = stages.iter().map(|StageCounts { from, totals, .. }| StageWork {
            totals: *totals,
            record_ns: totals.record_ns(),
            from: from.clone(),
        });
        let works: Vec<StageWork> = works.collect();
        let rates = rates(&works, time);
        let figures = stages.iter().zip(&works).zip(rates);
        figures.map(|((counts, work), rate)| StageFigures::of(counts, work, rate)).collect()
    }

    /// Returns the figures of a stage that would be offered records at this rate.
    fn of(counts: &StageCounts, work: &StageWork, rate: f64) -> Self {
        let StageCounts { name, is_call, totals, .. } = counts;
        let StageTotals { received, remote, usd, .. } = *totals;
        let useful_us = work.record_ns.map(|nanos| nanos / 1e3);
        StageFigures {
            name: name.clone(),
            policy: None,
            received,
            done: totals.done(),
            remote,
            useful_us,
            is_call: *is_call,
            offered_eps: rate,
            needs_workers: work.needs(rate),
            cost_usd: usd,
            usd_per_saved_hour: useful_us
                .filter(|_| remote > 0)
                .map(|useful| usd / (remote as f64 * useful / 3.6e9)),
        }
    }

    /// Returns the figures in words, with the name of the policy if it `names_policy`.
    pub(super) fn words(&self, names_policy: bool) -> String {
        if self.is_call {
            let Self { name, received, done, remote, .. } = self;
            let bad = match done - remote {
                0 => String::new(),
                bad => format!(", of which {} are bad", show_count(bad)),
            };
            return format!("{name}: a call of {} records{bad}", show_count(*received));
        }
        let each = self.useful_us.map_or("an unknown time".to_owned(), |useful| {
            show_duration(Duration::from_secs_f64(useful / 1e6))
        });
        let remote = self.remote as f64 * 100.0 / self.done.max(1) as f64;
        let policy = self.policy.as_ref().filter(|_| names_policy);
        let policy = policy.map_or(String::new(), |policy| format!(" under {policy}"));
        let needs = self.needs_workers.unwrap_or_default();
        let saved = self.usd_per_saved_hour.map_or(String::new(), |usd| {
            format!(
                "; ${:.6}, or ${usd:.2} for each hour of a worker that was saved",
                self.cost_usd
            )
        });
        format!(
            "{}: {} records of {each}, {remote:.1} % remote{policy}; done locally, they would keep {needs:.2} workers \
             busy{saved}",
            self.name,
            show_count(self.received),
        )
    }
}
