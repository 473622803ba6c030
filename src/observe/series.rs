//! The figures of a run by slots of time, as `--series` writes them. `docs/compare.md` says what each field
//! means.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::time_slots::{Slot, TimeSlots};
use super::{Counts, Latencies, Report};
use crate::batch::{Nanos, Span};
use crate::destination;
use crate::policy::Route;

/// What a worker did in a slot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// The number of records that were scheduled in the slot and are done by now.
    scheduled: u64,
    /// The number of records that were done in the slot.
    done: Counts,
    /// The latencies of the records that were scheduled in the slot.
    latency: Option<Latencies>,
}

impl Flow {
    /// Counts `records` results that were made by `route` at `now`, of records that were scheduled at `scheduled`. These may
    /// be several slots.
    pub(super) fn results(
        slots: &mut TimeSlots<Flow>,
        route: Route,
        scheduled: Span,
        records: usize,
        now: Nanos,
    ) {
        slots.at(now).done.count(route, records as u64);
        let mut from = 0;
        while from < records {
            let first = scheduled.time(from, records);
            let until = scheduled.before(slots.end_of(first), records).clamp(from + 1, records);
            let slot = slots.at(first);
            slot.scheduled += (until - from) as u64;
            let span = scheduled.slice(&(from..until), records);
            slot.latency.get_or_insert_with(Latencies::coarse).record(span, until - from, now);
            from = until;
        }
    }

    /// Counts bad records. They count as scheduled when they are found, because some have no scheduled time.
    pub(super) fn bad(&mut self, records: usize) {
        self.scheduled += records as u64;
        self.done.bad += records as u64;
    }
}

impl Slot for Flow {
    fn join(&mut self, later: &Self) {
        self.add(later);
    }

    fn add(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.done.add(&other.done);
        match (&mut self.latency, &other.latency) {
            (Some(mine), Some(theirs)) => mine.add(theirs),
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

/// The state of a process at the end of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The number of records that were queued.
    pub queued: u64,
    /// The number of records in flight.
    pub in_flight: u64,
    /// The time that sources have waited until then, summed over workers.
    pub backpressured_ns: u64,
    /// What was billed until then, in US dollars.
    pub cost_usd: f64,
    /// The true rate in records a second, summed over workers. 0 while they did none.
    pub true_rate: f64,
    /// Whether the state was sampled in this slot.
    pub taken: bool,
}

impl Slot for Level {
    /// The joined slot has the later state.
    fn join(&mut self, later: &Self) {
        if later.taken {
            *self = *later;
        }
    }

    fn add(&mut self, other: &Self) {
        self.queued += other.queued;
        self.in_flight += other.in_flight;
        self.backpressured_ns += other.backpressured_ns;
        self.cost_usd += other.cost_usd;
        self.true_rate += other.true_rate;
        self.taken |= other.taken;
    }
}

impl Level {
    /// Adds the states of another process. A slot without a sample has the state before it.
    pub(super) fn add_all(sum: &mut TimeSlots<Level>, other: &TimeSlots<Level>) {
        let mut other = other.clone();
        let until = sum.all().len().max(other.all().len());
        Level::fill(sum, until);
        Level::fill(&mut other, until);
        sum.add(&other);
    }

    fn fill(slots: &mut TimeSlots<Level>, until: usize) {
        let mut last = Level::default();
        for index in 0..until {
            let slot = slots.at(index as Nanos * slots.length());
            if !slot.taken {
                *slot = last;
            }
            last = *slot;
        }
    }

    /// Returns the median true rate of the slots in which workers had work.
    pub(super) fn true_rate(slots: &TimeSlots<Level>) -> Option<f64> {
        let rates = slots.all().iter().map(|level| level.true_rate);
        let mut rates: Vec<f64> = rates.filter(|rate| *rate > 0.0).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }
}

/// A line of the series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Line {
    /// A slot of time.
    Slot(SlotLine),
    /// The latencies of a route over the whole run.
    Latency {
        /// The name of the route.
        path: String,
        records: u64,
        /// Latencies in milliseconds and the number of records that had them, by rising latency.
        buckets: Vec<(f64, u64)>,
    },
}

/// What happened in a slot, over all workers of all processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SlotLine {
    pub t_ms: f64,
    pub length_ms: f64,
    pub offered: u64,
    /// Results by their routes: `local` leaves out those of peers, `remote` those of hedges, and `home` counts
    /// returned records.
    pub local: u64,
    pub peer: u64,
    pub remote: u64,
    pub hedged: u64,
    pub home: u64,
    pub bad: u64,
    pub queued: u64,
    pub in_flight: u64,
    pub backpressured_ms: f64,
    pub cost_usd: f64,
    pub true_rate_eps: f64,
    pub latency_ms: Option<SlotLatency>,
}

/// The latencies of the records that were scheduled in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SlotLatency {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// The series of a run.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The slots of time, then the latencies by route.
    pub lines: Vec<Line>,
}

impl Series {
    /// Returns the series of all processes' sum.
    pub fn of(report: &Report) -> Self {
        let (mut flow, mut levels) = (report.flow.clone(), report.levels.clone());
        flow.widen(levels.length());
        levels.widen(flow.length());
        let slots = flow.all().len().max(levels.all().len());
        Level::fill(&mut levels, slots);
        let length_ms = flow.length() as f64 / 1e6;
        let nothing = Flow::default();
        let mut before = 0;
        let slot_line = |index: usize| {
            let (flow, level) = (flow.all().get(index).unwrap_or(&nothing), &levels.all()[index]);
            let since = level.backpressured_ns.saturating_sub(before);
            before = level.backpressured_ns;
            Line::Slot(SlotLine {
                t_ms: index as f64 * length_ms,
                length_ms,
                offered: flow.scheduled,
                local: flow.done.by(Route::Local),
                peer: flow.done.by(Route::Peer),
                remote: flow.done.by(Route::Remote),
                hedged: flow.done.by(Route::Hedged),
                home: flow.done.by(Route::Returned),
                bad: flow.done.bad,
                queued: level.queued,
                in_flight: level.in_flight,
                backpressured_ms: since as f64 / 1e6,
                cost_usd: level.cost_usd,
                true_rate_eps: level.true_rate,
                latency_ms: flow.latency.as_ref().map(|latency| SlotLatency {
                    p50: latency.quantile_ms(0.5),
                    p99: latency.quantile_ms(0.99),
                    max: latency.max_ms(),
                }),
            })
        };
        let mut lines: Vec<Line> = (0..slots).map(slot_line).collect();
        let routes = Route::ALL.iter().zip(&report.by_route);
        lines.extend(routes.filter(|(_, latencies)| !latencies.is_empty()).map(
            |(route, latencies)| Line::Latency {
                path: route.name().to_owned(),
                records: latencies.len(),
                buckets: latencies.buckets().collect(),
            },
        ));
        Series { lines }
    }

    /// Writes the series as JSON lines, atomically.
    ///
    /// # Errors
    /// If the file or its folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = Vec::new();
        for line in &self.lines {
            serde_json::to_writer(&mut json, line)?;
            json.push(b'\n');
        }
        destination::write(path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{ProcessStats, SLOT};

    #[test]
    fn the_slots_add_up_to_the_run() {
        let stats = ProcessStats::new(2, true);
        let second = 10 * SLOT;
        // A thousand records of 250 ms are done at a second, by two workers and two paths.
        let span = Span { first: 0, last: 25 * SLOT / 10 };
        stats.worker(0).results(Route::Local, span, 1_000, second, false);
        stats.worker(1).results(Route::Hedged, span, 1_000, second, true);
        stats.worker(1).bad(7, SLOT);
        stats.worker(1).true_rate(5_000.0);
        stats.backlog_changed(0, 30);
        stats.in_flight_changed(0, 10);
        stats.sample(SLOT + 20, 0.25);
        stats.sample(3 * SLOT + 20, 1.0);
        let mut report = Report::default();
        report.add(&Report::of(&stats, 2));
        report.add(&Report::of(&ProcessStats::new(1, true), 1));
        let lines = Series::of(&report).lines;
        let slots: Vec<_> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Slot(slot) => Some(slot),
                Line::Latency { .. } => None,
            })
            .collect();
        assert_eq!(slots.len(), 11);
        let sum = |of: fn(&SlotLine) -> u64| slots.iter().map(|slot| of(slot)).sum::<u64>();
        assert_eq!((sum(|slot| slot.offered), slots[0].offered), (2_007, 800));
        assert_eq!((slots[10].local, slots[10].hedged, slots[10].remote), (1_000, 1_000, 0));
        assert_eq!((slots[1].bad, slots[1].offered), (7, 807));
        assert_eq!((slots[0].queued, slots[0].in_flight), (20, 10));
        assert_eq!(slots[0].cost_usd, slots[1].cost_usd, "nobody looked");
        assert!(slots[2].cost_usd > slots[1].cost_usd);
        let late = slots[0].latency_ms.unwrap();
        assert!((905.0..965.0).contains(&late.p50) && late.max < 1_010.0, "{late:?}");
        assert!(slots[3].latency_ms.is_none());
        let summary = crate::observe::Summary::of(&report, Default::default());
        assert_eq!((summary.records_remote, summary.records_hedged), (1_000, 1_000));
        assert_eq!(summary.true_rate_eps, Some(5_000.0));
        assert!(summary.latency_burst_ms.is_some_and(|burst| burst.p50 > 800.0));
        let json = serde_json::to_string(&lines).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Line>>(&json).unwrap(), lines);
    }
}
