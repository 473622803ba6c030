//! How many workers the stages of a dataflow need, and which stage is the bottleneck.
//!
//! Operators on the same workers share their time, so one slow stage delays all of them, and the longest queue need not be
//! at the stage that takes the time. What a stage needs is therefore computed from the rate that it would be offered if no
//! stage limited another one. (The method is that of DS2, Kalavri et al., OSDI 2018.)

use crate::stage_totals::StageTotals;

/// What a stage did in an interval.
#[derive(Clone, Debug)]
pub(crate) struct StageWork {
    pub totals: StageTotals,
    /// Useful time of a worker for a record, in nanoseconds. None if it is not known.
    pub record_ns: Option<f64>,
    /// The numbers of the stages whose results become its records, possibly through other operators. There is none if
    /// its records are the source's.
    pub from: Vec<usize>,
}

impl StageWork {
    /// Returns the number of workers that records at this rate per second need. None if their time is not known.
    pub(crate) fn needs(&self, rate: f64) -> Option<f64> {
        self.record_ns.map(|nanos| rate * nanos / 1e9)
    }
}

/// The time over which rates are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RateTime {
    /// The seconds of the schedule whose records the source has emitted.
    Scheduled(f64),
    /// The seconds that have passed. The source has no schedule: it offers as much as is taken, or as much as it has.
    Passed(f64),
}

/// Returns the records per second that each stage is to do, in the order in which stages are built: what it would be
/// offered if no stage limited the rate of another one, or what it has done if the source has no schedule.
pub(crate) fn rates(stages: &[StageWork], time: RateTime) -> Vec<f64> {
    let seconds = match time {
        RateTime::Passed(seconds) => {
            let rate = |stage: &StageWork| stage.totals.done() as f64 / seconds;
            return stages.iter().map(rate).collect();
        }
        RateTime::Scheduled(seconds) => seconds,
    };
    let mut rates: Vec<f64> = Vec::new();
    for StageWork { totals, from, .. } in stages {
        // A stage that feeds an earlier one closes a loop.
        let before = from.iter().filter(|stage| **stage < rates.len());
        let done: u64 = before.clone().map(|stage| stages[*stage].totals.done()).sum();
        let offered: f64 = before.clone().map(|stage| rates[*stage]).sum();
        rates.push(match (before.count(), done) {
            (0, _) => totals.received as f64 / seconds,
            (_, 0) => offered,
            // A record that is done there becomes as many records here as it has until now.
            (_, done) => offered * totals.received as f64 / done as f64,
        });
    }
    rates
}

/// The number of workers that each stage of a dataflow needs, and the number that there are.
#[derive(Debug)]
pub(crate) struct StageNeeds {
    /// None if the time per record is not known.
    of_stages: Vec<Option<f64>>,
    workers: f64,
}

impl StageNeeds {
    pub(crate) fn new(of_stages: impl Iterator<Item = Option<f64>>, workers: usize) -> Self {
        StageNeeds { of_stages: of_stages.collect(), workers: workers as f64 }
    }

    /// Computes the needs of stages from what they did in this time.
    pub(crate) fn in_time(stages: &[StageWork], time: RateTime, workers: usize) -> Self {
        let rates = rates(stages, time);
        StageNeeds::new(stages.iter().zip(rates).map(|(stage, rate)| stage.needs(rate)), workers)
    }

    /// Returns the number of workers that a stage needs. None if the time of its records is not known.
    pub(crate) fn of(&self, stage: usize) -> Option<f64> {
        self.of_stages.get(stage).copied().flatten()
    }

    /// Returns the number of workers that all stages together need.
    pub(crate) fn total(&self) -> f64 {
        // The sum of no floating-point numbers is -0.
        self.of_stages.iter().flatten().fold(0.0, |all, needs| all + needs)
    }

    /// Returns the number of the stage that needs the most workers, if all stages together need more than there are.
    /// One record less at this stage, or one computed elsewhere, saves the most.
    pub(crate) fn bottleneck(&self) -> Option<usize> {
        self.most().filter(|_| self.total() > self.workers)
    }

    /// Returns the number of the stage that needs the most workers. None if no stage needs any.
    pub(crate) fn most(&self) -> Option<usize> {
        let of_stages = self.of_stages.iter().map(|needs| needs.unwrap_or(0.0)).enumerate();
        let most = of_stages.max_by(|(_, one), (_, other)| one.total_cmp(other));
        most.filter(|(_, needs)| *needs > 0.0).map(|(stage, _)| stage)
    }

    /// Returns the share of a stage's records that has to be computed elsewhere so that the workers can do the rest:
    /// 1 if the other stages alone need more than all workers.
    pub(crate) fn to_send(&self, stage: usize) -> f64 {
        let own = self.of(stage).unwrap_or(0.0);
        let left = self.workers - (self.total() - own);
        if own > 0.0 { (1.0 - left / own).clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottleneck_needs_the_most_where_all_need_more_than_there_is() {
        let needs = |workers| StageNeeds::new([Some(0.2), None, Some(2.0)].into_iter(), workers);
        assert_eq!((needs(3).bottleneck(), needs(2).bottleneck()), (None, Some(2)));
        // The others leave 0.8 workers for a stage that needs 2.
        assert!((needs(1).to_send(2) - 0.6).abs() < 1e-9);
        let shares = (needs(1).to_send(0), needs(1).to_send(1), needs(3).to_send(2));
        assert_eq!(shares, (1.0, 0.0, 0.0));
        assert_eq!(StageNeeds::new([].into_iter(), 0).total().to_string(), "0");
    }

    #[test]
    fn a_stage_after_branches_would_be_offered_what_both_would_emit() {
        let stage = |received: u64, done: u64, from: &[usize]| StageWork {
            totals: StageTotals { received, local: done, ..StageTotals::default() },
            record_ns: Some(1e6),
            from: from.to_vec(),
        };
        // The source offers 100 records to each branch. One does half of them, the other all. A loop leads back from the
        // last stage, which gets each result.
        let stages = [stage(100, 50, &[2]), stage(100, 100, &[]), stage(150, 150, &[0, 1])];
        let needs = StageNeeds::in_time(&stages, RateTime::Scheduled(1.0), 1);
        let expected = [0.1, 0.1, 0.2];
        for (at, expected) in expected.iter().enumerate() {
            assert!((needs.of(at).unwrap() - expected).abs() < 1e-9, "{needs:?}");
        }
        // The same in half of the time.
        let needs = StageNeeds::in_time(&stages, RateTime::Scheduled(0.5), 1);
        assert!((needs.total() - 0.8).abs() < 1e-9, "{needs:?}");
        // Without a schedule, what waits is not offered at any rate.
        let needs = StageNeeds::in_time(&stages, RateTime::Passed(1.0), 1);
        assert!((needs.total() - 0.3).abs() < 1e-9, "{needs:?}");
    }
}
