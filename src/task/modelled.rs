//! `--work`: extra time per record, for experiments.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Code, Task, Work};
use crate::batch::Records as _;
use crate::process_stats;
use crate::wire::Slots;

/// A task with the extra time `work` per record. A worker spends it as CPU time of its thread. The local
/// Lambda, which the request tells, sleeps for it.
#[derive(Clone, Debug)]
pub struct Modelled<K> {
    task: K,
    work: Work,
    /// When the first record was computed.
    began: OnceLock<Instant>,
}

impl<K> Modelled<K> {
    /// Adds `work` per record to `task`. The time of `work` starts with the first record.
    pub fn new(task: K, work: impl Into<Work>) -> Self {
        Modelled { task, work: work.into(), began: OnceLock::new() }
    }

    /// Returns the present extra time of a record.
    fn extra(&self) -> Duration {
        match self.began.get() {
            Some(began) if self.work.changes() => self.work.after(began.elapsed()),
            _ => self.work.first(),
        }
    }
}

impl<K: Task> Task for Modelled<K> {
    type In = K::In;
    type Out = K::Out;
    type Answers = K::Answers;

    fn name(&self) -> &str {
        self.task.name()
    }

    fn results(&self, input: &K::In, range: &Range<usize>) -> K::Out {
        self.task.results(input, range)
    }

    fn compute(
        &self,
        input: &K::In,
        range: Range<usize>,
        out: &mut K::Out,
        bad: &mut Vec<(usize, Code)>,
    ) {
        if self.work.is_zero() {
            return self.task.compute(input, range, out, bad);
        }
        let records = input.weight(&range) as u32;
        self.began.get_or_init(Instant::now);
        let until = process_stats::thread_cpu() + self.extra() * records;
        self.task.compute(input, range, out, bad);
        burn(until + self.task.work() * records);
    }

    fn answered(&self, answers: &K::Answers) -> usize {
        self.task.answered(answers)
    }

    fn assemble(
        &self,
        input: &K::In,
        range: Range<usize>,
        answers: &mut K::Answers,
        slots: &Slots<'_>,
        out: &mut K::Out,
    ) {
        self.task.assemble(input, range, answers, slots, out);
    }

    fn are_well_formed(&self, answers: &K::Answers) -> bool {
        self.task.are_well_formed(answers)
    }

    fn is_same(&self, results: &K::Out, index: usize, one: &K::Out) -> bool {
        self.task.is_same(results, index, one)
    }

    fn finish(&self, input: &K::In, out: &mut K::Out, bad: &mut Vec<(usize, Code)>) {
        self.task.finish(input, out, bad);
    }

    fn show(&self, results: &K::Out, index: usize) -> String {
        self.task.show(results, index)
    }

    fn needs_version(&self) -> Option<&str> {
        self.task.needs_version()
    }

    fn work(&self) -> Duration {
        self.extra() + self.task.work()
    }
}

/// Spends CPU time until this thread has used `until`. The clock is a system call, so it is read again only
/// after as much wall time as is still missing: the thread cannot have used the CPU time sooner.
fn burn(until: Duration) {
    while let Some(missing) =
        until.checked_sub(process_stats::thread_cpu()).filter(|left| !left.is_zero())
    {
        let began = Instant::now();
        while began.elapsed() < missing {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::task::Words;

    #[test]
    fn work_is_spent_as_cpu_time() {
        let task = Modelled::new(Words, Duration::from_micros(12));
        let batch: Batch = vec!["a b"; 1_000].into_iter().collect();
        let mut out = task.results(&batch, &(0..1_000));
        let before = process_stats::thread_cpu();
        task.compute(&batch, 0..1_000, &mut out, &mut Vec::new());
        let burnt = process_stats::thread_cpu() - before;
        assert!(burnt >= Duration::from_millis(12), "{burnt:?}");
        assert!(burnt <= Duration::from_micros(13_500), "{burnt:?}");
        assert_eq!(out.len(), 1_000);
    }
}
