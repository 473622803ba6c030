//! What holds a run up now, and what held it up while its results came late.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bottleneck::{self, Bottleneck, Kind};
use super::sample::{About, Sample};
use crate::observe::Cause;

/// Looks that are compared to see what holds the run up: two seconds' worth at ten a second.
const WINDOW: usize = 21;

/// The looks of the last two seconds, and what was found since the run's start.
#[derive(Debug, Default)]
pub struct Diagnosis {
    window: VecDeque<Arc<Sample>>,
    now: Bottleneck,
    /// By the number of its kind.
    found: [Found; Kind::ALL.len()],
}

/// What was found of one kind of bottleneck.
#[derive(Debug, Default)]
struct Found {
    /// Results that came late while it held the run up.
    late: u64,
    /// The most of them between two looks, and what was said then.
    most: u64,
    worst: Bottleneck,
}

impl Diagnosis {
    /// Takes a look in.
    pub fn take(&mut self, about: &About, sample: Arc<Sample>) {
        if self.window.is_empty() {
            // At its start a run has done nothing.
            self.window.push_back(Arc::default());
        }
        let before = self.last().tallied.late.results();
        let late = sample.tallied.late.results().saturating_sub(before);
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

    /// The oldest look that is compared with the last one.
    pub fn first(&self) -> Arc<Sample> {
        self.window.front().cloned().unwrap_or_default()
    }

    /// The last look.
    pub fn last(&self) -> Arc<Sample> {
        self.window.back().cloned().unwrap_or_default()
    }

    /// What holds the run up now.
    pub fn bottleneck(&self) -> &Bottleneck {
        &self.now
    }

    /// What held the run up while most of the late results came; nothing if none was late, or if nothing
    /// held it up.
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
            sample.tallied.counts.local += local;
            sample.tallied.late.local += late;
            sample.tallied.useful_ns += SECOND;
            sample.tallied.cpu_ns += SECOND;
            sample.tallied.backlog = backlog;
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
        // It is over, and what was found stays.
        (0..30).for_each(|_| _ = look(1_000, 0, 0));
        assert_eq!(look(1_000, 0, 0), (Kind::Nothing, Some(cause)));
    }
}
