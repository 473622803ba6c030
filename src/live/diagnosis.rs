//! Finds the bottleneck of a run now, and that of its late results.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bottleneck::{self, Bottleneck, Kind};
use super::sample::{About, Sample};
use crate::observe::Cause;

/// The number of samples that are compared. At ten per second, they cover two seconds.
const WINDOW: usize = 21;

/// The samples of the last two seconds, and the bottlenecks since the run's start.
#[derive(Debug, Default)]
pub struct Diagnosis {
    window: VecDeque<Arc<Sample>>,
    now: Bottleneck,
    /// The findings, by the number of their kind.
    found: [Found; Kind::ALL.len()],
}

/// The findings on one kind of bottleneck.
#[derive(Debug, Default)]
struct Found {
    /// The number of late results while it was the bottleneck.
    late: u64,
    /// The highest number of late results between two samples, and the finding then.
    most: u64,
    worst: Bottleneck,
}

impl Diagnosis {
    /// Adds a sample.
    pub fn take(&mut self, about: &About, sample: Arc<Sample>) {
        if self.window.is_empty() {
            // The first sample is compared with the start of the run, when nothing was done.
            self.window.push_back(Arc::default());
        }
        let before = self.last().snapshot.late.results();
        let late = sample.snapshot.late.results().saturating_sub(before);
        self.window.push_back(sample);
        while self.window.len() > WINDOW {
            self.window.pop_front();
        }
        self.now = bottleneck::find(about, &self.first(), &self.last());
        let found = &mut self.found[self.now.kind as usize];
        found.late += late;
        if late > found.most {
            (found.most, found.worst) = (late, self.now.clone());
        }
    }

    /// Returns the oldest sample that is compared with the last one.
    pub fn first(&self) -> Arc<Sample> {
        self.window.front().cloned().unwrap_or_default()
    }

    /// Returns the last sample.
    pub fn last(&self) -> Arc<Sample> {
        self.window.back().cloned().unwrap_or_default()
    }

    /// Returns the current bottleneck.
    pub fn bottleneck(&self) -> &Bottleneck {
        &self.now
    }

    /// Returns the bottleneck of most late results. None if none was late, or if nothing was a bottleneck
    /// then.
    pub fn cause(&self) -> Option<Cause> {
        let worst = self.found[Kind::Nothing as usize + 1..].iter().max_by_key(|found| found.late);
        let Found { late, worst, .. } = worst.filter(|found| found.late > 0)?;
        let says = [worst.says.as_str(), worst.advice.as_str()].join(" ");
        Some(Cause { late: *late, says: says.trim_end().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_cause_is_what_held_it_up_while_most_of_the_late_results_came() {
        let about = About {
            workers: 1,
            policy: "local".into(),
            has_due_times: true,
            deadline_ms: 200.0,
            is_paced: true,
            ..About::default()
        };
        let mut diagnosis = Diagnosis::default();
        assert_eq!(diagnosis.cause(), None);
        let mut sample = Sample::default();
        let mut look = |local: u64, late: u64, backlog: u64| {
            sample.at += SECOND;
            sample.schedule = sample.at;
            sample.snapshot.counts.local += local;
            sample.snapshot.late.local += late;
            sample.snapshot.useful_ns += SECOND;
            sample.snapshot.cpu_ns += SECOND;
            sample.snapshot.backlog = backlog;
            diagnosis.take(&about, Arc::new(sample.clone()));
            (diagnosis.bottleneck().kind, diagnosis.cause())
        };
        let all_well = (Kind::Nothing, None);
        assert_eq!(look(1_000, 1, 0), all_well, "one of a thousand is not worth a word");
        let (kind, cause) = look(1_000, 900, 5_000);
        assert_eq!(kind, Kind::Workers);
        let cause = cause.expect("results were late");
        assert_eq!(cause.late, 900);
        assert!(
            cause.says.starts_with("The workers: ") && cause.says.contains(" 5,000 records wait")
        );
        assert!(cause.says.contains("--policy deadline"), "{cause:?}");
        // The bottleneck has passed, and the finding stays.
        (0..30).for_each(|_| _ = look(1_000, 0, 0));
        assert_eq!(look(1_000, 0, 0), (Kind::Nothing, Some(cause)));
    }
}
