//! What each stage does between two samples, for the page and the metrics.

use serde::Serialize;

use super::bottleneck::{Bottleneck, Kind};
use super::sample::{About, Sample, StageSample};
use crate::stage_needs::{RateTime, StageNeeds, StageWork};
use crate::stage_totals::StageTotals;

/// The figures of a stage. `docs/live.md` describes each.
#[derive(Debug, Serialize)]
pub(super) struct StageView {
    pub name: String,
    pub is_call: bool,
    pub is_bottleneck: bool,
    pub received_eps: f64,
    pub done_eps: f64,
    pub useful_us: Option<f64>,
    pub busy: f64,
    pub needs_workers: Option<f64>,
    pub queued: u64,
    pub in_flight: u64,
    pub remote_fraction: Option<f64>,
    pub usd_per_hour: f64,
    pub lag_s: Option<f64>,
}

/// The share of the time whose records the source has to have emitted, so that they say at which rate it offers them.
const SOME: f64 = 0.2;

/// Returns what the stages did since the sample `before`, or since the start of the run. `found` is the bottleneck of the
/// run then.
pub(super) fn stages(
    about: &About,
    before: Option<&Sample>,
    now: &Sample,
    found: &Bottleneck,
) -> Vec<StageView> {
    let since = before.map_or(0, |before| before.at);
    let seconds = (now.at.saturating_sub(since) as f64 / 1e9).max(1e-9);
    let totals_before = |at: usize| {
        let stage = before.and_then(|before| before.stages.get(at));
        stage.map_or(StageTotals::default(), |stage| stage.counts.totals)
    };
    let work = |(at, stage): (usize, &StageSample)| {
        let all = stage.counts.totals;
        let totals = all.since(&totals_before(at));
        // What it did before says it too, if workers have computed none of the last records.
        let record_ns = totals.record_ns().or(all.record_ns());
        StageWork { totals, record_ns, from: stage.counts.from.clone() }
    };
    let works: Vec<StageWork> = now.stages.iter().enumerate().map(work).collect();
    let offered = offered_s(before, now);
    let needs = match about.is_paced {
        false => StageNeeds::in_time(&works, RateTime::Passed(seconds), about.workers),
        true if offered > SOME * seconds => {
            StageNeeds::in_time(&works, RateTime::Scheduled(offered), about.workers)
        }
        // The source has ended, or waits for so long that a few records say nothing of its rate.
        true => {
            let all = works.iter().zip(&now.stages).map(|(work, stage)| {
                let (record_ns, from) = (work.record_ns, work.from.clone());
                StageWork { totals: stage.counts.totals, record_ns, from }
            });
            let time = RateTime::Scheduled(offered_s(None, now));
            StageNeeds::in_time(&all.collect::<Vec<_>>(), time, about.workers)
        }
    };
    let bottleneck = match (found.kind, &found.call) {
        (_, Some(call)) => now.stages.iter().position(|stage| stage.counts.name == *call),
        // Also where the source offers as much as is taken.
        (Kind::Workers, None) => needs.most(),
        (_, None) => needs.bottleneck(),
    };
    let view = |(at, (stage, work)): (usize, (&StageSample, &StageWork))| {
        let totals = &work.totals;
        let rate = |records: u64| (records as f64 / seconds).round();
        let results = totals.local + totals.remote;
        StageView {
            name: stage.counts.name.clone(),
            is_call: stage.counts.is_call,
            is_bottleneck: bottleneck == Some(at),
            received_eps: rate(totals.received),
            done_eps: rate(totals.done()),
            useful_us: work.record_ns.map(|nanos| nanos / 1e3),
            busy: totals.useful_ns as f64 / 1e9 / seconds / about.workers.max(1) as f64,
            needs_workers: needs.of(at),
            queued: totals.held.saturating_sub(totals.in_flight),
            in_flight: totals.in_flight,
            remote_fraction: (results > 0).then(|| totals.remote as f64 / results as f64),
            usd_per_hour: totals.usd * 3_600.0 / seconds,
            lag_s: stage.lag.map(|lag| lag as f64 / 1e9),
        }
    };
    now.stages.iter().zip(&works).enumerate().map(view).collect()
}

/// Returns the seconds in which the records were due that the source has emitted since `before`.
fn offered_s(before: Option<&Sample>, now: &Sample) -> f64 {
    // Before the first sample there is only the start of the run, which a resumed one has at a later time.
    let before = before.filter(|before| before.at > 0);
    let since = before.map_or(now.schedule.saturating_sub(now.at), Sample::source_time);
    (now.source_time().saturating_sub(since) as f64 / 1e9).max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::StageCounts;

    const SECOND: u64 = 1_000_000_000;

    fn stage(name: &str, from: &[usize], totals: StageTotals) -> StageSample {
        let (name, from) = (name.to_owned(), from.to_vec());
        let counts = StageCounts { name, is_call: false, from, totals };
        StageSample { counts, lag: Some(SECOND / 2) }
    }

    fn chain(records: u64, seconds: u64) -> Sample {
        let totals = |received: u64, local: u64, record_us: u64| StageTotals {
            received,
            local,
            worked: local,
            useful_ns: local * record_us * 1_000,
            held: received - local,
            ..StageTotals::default()
        };
        let order = stage("order", &[], totals(records, records / 2, 2));
        // Half of the records wait for the first stage.
        let item = stage("item", &[0], totals(records / 2, records / 4, 20));
        let at = seconds * SECOND;
        Sample { at, schedule: at, stages: vec![order, item], ..Sample::default() }
    }

    #[test]
    fn figures_are_those_of_the_interval_and_the_bottleneck_needs_the_most_workers() {
        let about = About { workers: 1, is_paced: true, ..About::default() };
        let (before, mut now, nothing) =
            (chain(100_000, 10), chain(200_000, 11), Bottleneck::default());
        let views = stages(&about, Some(&before), &now, &nothing);
        let [order, item] = &views[..] else { panic!("{views:?}") };
        assert_eq!((order.received_eps, order.done_eps, order.queued), (1e5, 5e4, 100_000));
        assert!((order.busy - 0.1).abs() < 1e-9 && (item.busy - 0.5).abs() < 1e-9, "{views:?}");
        // 100,000 records would be offered to both.
        assert!((order.needs_workers.unwrap() - 0.2).abs() < 1e-9, "{order:?}");
        assert!((item.needs_workers.unwrap() - 2.0).abs() < 1e-9, "{item:?}");
        assert_eq!((order.is_bottleneck, item.is_bottleneck), (false, true));
        assert_eq!((item.lag_s, item.remote_fraction), (Some(0.5), Some(0.0)));
        // Whoever waits for a call does not wait for workers.
        let call = Bottleneck { call: Some("order".into()), ..Bottleneck::default() };
        let views = stages(&about, Some(&before), &now, &call);
        assert!(views[0].is_bottleneck && !views[1].is_bottleneck, "{views:?}");
        // A source that has to wait emits the records of half of the time: twice as many would be offered.
        now.snapshot.reached_due = Some(21 * SECOND / 2);
        let views = stages(&about, Some(&before), &now, &nothing);
        assert!((views[1].needs_workers.unwrap() - 4.0).abs() < 1e-9, "{views:?}");
        // One that has to wait all the time offers as much as it did before: 200,000 in 10.5 seconds.
        let mut later = now.clone();
        later.at = 13 * SECOND;
        let views = stages(&about, Some(&now), &later, &nothing);
        assert!((views[1].needs_workers.unwrap() - 0.381).abs() < 1e-3, "{views:?}");
        // Those of the whole run.
        let whole = stages(&about, None, &chain(200_000, 10), &nothing);
        assert_eq!((whole[0].received_eps, whole[1].is_bottleneck), (2e4, false), "{whole:?}");
        let workers = Bottleneck { kind: Kind::Workers, ..Bottleneck::default() };
        assert!(stages(&about, None, &chain(200_000, 10), &workers)[1].is_bottleneck);
    }
}
