//! Whether a run makes progress.

use std::time::Duration;

use super::sample::{About, Sample};
use crate::batch::Nanos;
use crate::units::{show_count, show_duration};

/// The time after which a run that has work and makes no progress is stuck. It is longer than the default limit of a
/// function.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// Watches whether records are done and epochs committed.
#[derive(Debug, Default)]
pub(super) struct Health {
    done: u64,
    committed: u64,
    since: Nanos,
}

impl Health {
    /// Adds a sample. Returns why the run is stuck, if it is.
    pub(super) fn take(&mut self, about: &About, sample: &Sample) -> Option<String> {
        let (done, committed) = (sample.snapshot.counts.done(), sample.snapshot.committed);
        let backlog = sample.snapshot.backlog;
        let is_late = sample.late_ns() > about.longest_step.as_nanos() as Nanos;
        let has_work = backlog > 0 || is_late || sample.writer.unpublished_bytes > 0;
        if (done, committed) != (self.done, self.committed) || !has_work {
            *self = Health { done, committed, since: sample.at };
        }
        let stuck = Duration::from_nanos(sample.at.saturating_sub(self.since));
        (stuck > STUCK_AFTER + 2 * about.longest_step).then(|| {
            format!(
                "for {} no record was done and no epoch committed: {} records wait, {} of them with the remote \
                 side; {} epochs are committed{}",
                show_duration(Duration::from_secs(stuck.as_secs())),
                show_count(backlog),
                show_count(sample.snapshot.in_flight),
                show_count(sample.epochs),
                match sample.writer.is_refused {
                    true => "; the topic's cluster takes no lines",
                    false => "",
                },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_stuck_that_has_something_to_do_and_does_nothing() {
        let about = About { longest_step: Duration::from_secs(1), ..About::default() };
        let mut health = Health::default();
        let mut look = |seconds: u64, backlog: u64, done: u64| {
            let at = seconds * 1_000_000_000;
            let mut sample = Sample { at, ..Sample::default() };
            (sample.snapshot.backlog, sample.snapshot.counts.bad) = (backlog, done);
            health.take(&about, &sample)
        };
        assert_eq!(look(100, 0, 10), None);
        assert_eq!(look(200, 0, 10), None, "there is nothing to do");
        assert_eq!(look(210, 5, 10), None);
        assert_eq!(look(211, 5, 10), None);
        assert!(look(228, 5, 10).is_some_and(|why| why.contains("5 records wait")));
        assert_eq!(look(229, 4, 11), None, "it goes on");
        assert_eq!(look(245, 4, 11), None);
        assert!(look(250, 4, 11).is_some());
    }
}
