//! Finds the bottleneck.

use super::super::sample::{About, Sample};
use super::interval::{BUSY, Interval, LONG, SOME, percent, span};
use super::kind::{Bottleneck, Kind, found};
use super::queue::{call, queue};
use crate::observe::{Counts, WaitReason};
use crate::units::show_count;

/// Finds the bottleneck between the samples `before` and `now`.
pub(in super::super) fn find(about: &About, before: &Sample, now: &Sample) -> Bottleneck {
    let Some(interval) = Interval::new(about, before, now) else { return Bottleneck::default() };
    publisher(&interval)
        .or_else(|| writer(&interval))
        .or_else(|| call(&interval))
        .or_else(|| queue(&interval))
        .or_else(|| commit(&interval))
        .or_else(|| source(&interval))
        .or_else(|| late(&interval))
        .unwrap_or_else(|| nothing(&interval))
}

/// The publisher is slow, or its destination refuses lines.
fn publisher(interval: &Interval) -> Option<Bottleneck> {
    /// A number of bytes that is more than one transaction publishes.
    const MANY: u64 = 16 << 20;
    let waiting = interval.now.writer.unpublished_bytes;
    let bytes = show_count(waiting);
    if interval.now.writer.is_refused {
        let says = format!(
            "The topic: its cluster takes no lines at the moment, and {bytes} bytes of committed ones wait."
        );
        let advice = "It is tried again by itself, and standard error says with which error. Nothing is lost: what \
                      waits is in the state's folder.";
        return found(Kind::Publisher, says, advice);
    }
    let holds =
        interval.waited_for(WaitReason::Commit).max(interval.waited_for(WaitReason::Writer)) > SOME;
    (holds && waiting > MANY).then_some(())?;
    let says = format!(
        "The topic: lines are made faster than they are published, and {bytes} bytes wait."
    );
    found(
        Kind::Publisher,
        says,
        "One producer publishes for the whole run: look at what its cluster is short of.",
    )
}

/// The writer makes sources wait.
fn writer(interval: &Interval) -> Option<Bottleneck> {
    let writer = interval.waited_for(WaitReason::Writer);
    if writer > SOME {
        let says = format!(
            "The writer: sources waited for it {} of the time, and it was busy for {}.",
            percent(writer),
            percent(interval.writer.min(1.0)),
        );
        let advice = "Write to a faster disk, or less: compress=zstd where the processor has time for it, or \
                      sync=none if the machine may lose what it has not written yet.";
        return found(Kind::Writer, says, advice);
    }
    None
}

/// Commits make sources wait. A queue keeps epochs open too, so it is checked first.
fn commit(interval: &Interval) -> Option<Bottleneck> {
    let commit = interval.waited_for(WaitReason::Commit);
    (commit > SOME).then_some(())?;
    let says = format!(
        "Commits: sources waited {} of the time for epochs to be committed before others begin.",
        percent(commit)
    );
    let advice = "Look at what a commit waits for: the disk's sync (sync=none does not), an epoch whose records \
                  are in flight for long, or another process of the run. A longer --commit-every commits less often.";
    found(Kind::Commit, says, advice)
}

/// The source is slow by itself.
fn source(interval: &Interval) -> Option<Bottleneck> {
    let busy = interval.cpu.max(interval.task);
    let is_late = interval.late_s() > LONG;
    let is_idle = !interval.about.is_paced && busy < BUSY && interval.done >= 1.0;
    (is_late || is_idle).then_some(())?;
    let why = match is_late {
        true => format!("it is {} behind its schedule", span(interval.late_s())),
        false => format!("it gives {} records a second", show_count(interval.done as u64)),
    };
    let says =
        format!("The source: {why}, and workers are busy for {} of the time.", percent(busy));
    let advice = "Look at what it reads from: a pipe whose writer is slow, a slow disk, or compressed files, which one \
                  thread decompresses. Large plain files are read by all workers, so it may help to decompress them \
                  before the run.";
    found(Kind::Source, says, advice)
}

/// Results are late, although no queue is long at the moment.
fn late(interval: &Interval) -> Option<Bottleneck> {
    (interval.about.has_due_times && interval.on_time.is_missed()).then_some(())?;
    let (share, deadline) = (interval.on_time.late_share(), span(interval.about.deadline_ms / 1e3));
    let Counts { remote, home: returned, .. } = interval.late;
    let late = interval.on_time.late;
    if 2 * remote > late {
        let says = format!(
            "The remote side: {share} of the results come later than {deadline}, and most of those are the \
             function's."
        );
        let advice = "Its round trip has to be well within the deadline: the command `check` measures it. A function \
                      that is nearer or has more --memory answers sooner; a longer --deadline allows for it.";
        return found(Kind::Remote, says, advice);
    }
    if 2 * returned > late {
        let says = format!(
            "The remote side: {share} of the results come later than {deadline}, and most of those are of records \
             that it returned undone."
        );
        let advice = "Look at why requests fail: the command `check` says more.";
        return found(Kind::Remote, says, advice);
    }
    let says = format!(
        "The workers: {share} of their results come later than {deadline}, although they are busy for {} of the \
         time. Either more records came at once than they can process within {deadline}, or the process was paused.",
        percent(interval.cpu.max(interval.task).min(1.0)),
    );
    let advice = match interval.functions.is_empty() {
        true => {
            "Let what they cannot do in time go to a function: --policy deadline. If the process was paused, give it \
             a processor of its own."
        }
        false => "If the process was paused, give it a processor of its own.",
    };
    found(Kind::Workers, says, advice)
}

fn nothing(interval: &Interval) -> Bottleneck {
    let busy = percent(interval.cpu.max(interval.task).min(1.0));
    let done = show_count(interval.done as u64);
    if interval.done < 1.0 {
        return Bottleneck::new(Kind::Nothing, "No records arrive, and none wait.".to_owned(), "");
    }
    if !interval.about.is_paced {
        let says = format!(
            "The workers, as --rate max wants it: they are busy for {busy} of the time and do {done} records a \
             second."
        );
        let advice = "More workers do more where there are cores for them (-- -w N).";
        return Bottleneck::new(Kind::Workers, says, advice);
    }
    let workers = if interval.workers == 1.0 { "the worker is" } else { "the workers are" };
    let says = format!("Keeping up: {done} records/s, and {workers} {busy} busy.");
    Bottleneck::new(Kind::Nothing, says, "")
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::{Breaker, Function, Remote, StageSample};
    use super::*;
    use crate::batch::Nanos;
    use crate::counters::Counters;
    use crate::observe::{StageCounts, StageTotals};

    const SECOND: Nanos = 1_000_000_000;

    /// Two workers, a second in which they did 1,000 records, half of the time.
    fn samples() -> (About, Sample, Sample) {
        let about =
            About { workers: 2, policy: "spill".into(), is_paced: true, ..About::default() };
        let before = Sample { at: SECOND, schedule: SECOND, ..Sample::default() };
        let mut now = Sample { at: 2 * SECOND, schedule: 2 * SECOND, ..Sample::default() };
        now.snapshot.counts.bad = 1_000;
        (now.snapshot.useful_ns, now.snapshot.cpu_ns) = (SECOND, SECOND);
        (about, before, now)
    }

    fn kind_of(change: impl FnOnce(&mut About, &mut Sample)) -> Kind {
        let (mut about, before, mut now) = samples();
        change(&mut about, &mut now);
        let found = find(&about, &before, &now);
        assert!(found.says.ends_with('.'), "{found:?}");
        assert_eq!(found.advice.is_empty(), found.kind == Kind::Nothing, "{found:?}");
        found.kind
    }

    /// A second's work waits, and sources wait for it.
    fn queued(now: &mut Sample) {
        now.snapshot.backlog = 1_000;
        now.snapshot.waited[WaitReason::Backlog as usize] = SECOND;
    }

    /// The only function.
    fn sole(remote: Remote) -> Vec<Function> {
        vec![Function { remote, ..Function::default() }]
    }

    #[test]
    fn each_has_its_own_sign() {
        assert_eq!(kind_of(|_, _| ()), Kind::Nothing);
        assert_eq!(kind_of(|_, now| now.snapshot.waited = [0, SECOND, 0]), Kind::Writer);
        assert_eq!(kind_of(|_, now| now.snapshot.waited = [0, 0, SECOND]), Kind::Commit);
        // Epochs stay open for what waits.
        assert_eq!(kind_of(|_, now| now.snapshot.waited = [SECOND, 0, SECOND]), Kind::Workers);
        assert_eq!(kind_of(|_, now| now.writer.is_refused = true), Kind::Publisher);
        let slow = |now: &mut Sample| {
            now.snapshot.waited = [0, 0, SECOND];
            now.writer.unpublished_bytes = 64 << 20;
        };
        assert_eq!(kind_of(|_, now| slow(now)), Kind::Publisher);
        assert_eq!(kind_of(|_, now| queued(now)), Kind::Workers);
        assert_eq!(kind_of(|about, _| about.is_paced = false), Kind::Source);
        let silent = kind_of(|about, now| (about.is_paced, now.snapshot.counts.bad) = (false, 0));
        assert_eq!(silent, Kind::Nothing);
        let late = |now: &mut Sample| now.snapshot.next_due = Some(SECOND);
        assert_eq!(kind_of(|_, now| late(now)), Kind::Source);
        let busy = |now: &mut Sample| {
            late(now);
            now.snapshot.useful_ns = 2 * SECOND;
        };
        assert_eq!(kind_of(|_, now| busy(now)), Kind::Processor);
        let whole = |now: &mut Sample| {
            busy(now);
            now.snapshot.cpu_ns = 2 * SECOND;
        };
        assert_eq!(kind_of(|_, now| whole(now)), Kind::Workers);
    }

    #[test]
    fn a_run_that_keeps_up_says_its_rate_and_how_busy_its_workers_are() {
        let (about, before, now) = samples();
        let says = find(&about, &before, &now).says;
        assert_eq!(says, "Keeping up: 1,000 records/s, and the workers are 50 % busy.");
    }

    fn holding(name: &str, held: u64) -> StageSample {
        let totals = StageTotals { held, ..StageTotals::default() };
        let counts = StageCounts { name: name.to_owned(), totals, ..StageCounts::default() };
        StageSample { counts, lag: None }
    }

    #[test]
    fn a_call_whose_service_fails_or_is_slow_holds_up_what_waits_for_it() {
        let with = |held: u64, call: Remote| {
            kind_of(|_, now| {
                queued(now);
                now.calls = vec![("lookup".to_owned(), Remote { limit: 8, most: 8, ..call })];
                now.stages = vec![holding("lookup", held)];
                now.stages[0].counts.is_call = true;
            })
        };
        assert_eq!(with(1_000, Remote { breaker: Breaker::Open, ..Remote::default() }), Kind::Call);
        let busy = Counters { in_flight: 8, ..Counters::default() };
        assert_eq!(with(1_000, Remote { counters: busy, ..Remote::default() }), Kind::Call);
        // Others wait for the workers.
        assert_eq!(with(10, Remote { counters: busy, ..Remote::default() }), Kind::Workers);
    }

    #[test]
    fn a_queue_that_is_not_sent_says_why() {
        let with = |remote: Remote| {
            kind_of(|_, now| {
                queued(now);
                now.functions = sole(Remote { limit: 10, ..remote });
            })
        };
        let counting = |change: fn(&mut Counters)| {
            let mut remote = Remote::default();
            change(&mut remote.counters);
            remote
        };
        assert_eq!(with(Remote::default()), Kind::Workers);
        assert_eq!(with(Remote { is_spent: true, ..Remote::default() }), Kind::Budget);
        assert_eq!(with(Remote { breaker: Breaker::Open, ..Remote::default() }), Kind::Remote);
        assert_eq!(with(counting(|counters| counters.throttled = 9)), Kind::Concurrency);
        assert_eq!(with(counting(|counters| counters.in_flight = 10)), Kind::Concurrency);
        // The limit has not risen to its maximum yet.
        let slow = Remote { most: 1_000, ..counting(|counters| counters.in_flight = 10) };
        assert_eq!(with(slow), Kind::Remote);
        assert_eq!(with(counting(|counters| counters.cpu_ns = SECOND)), Kind::Bridge);
        // Without a queue none of that holds anything up.
        let spent = sole(Remote { is_spent: true, ..Remote::default() });
        assert_eq!(kind_of(|_, now| now.functions = spent), Kind::Nothing);
    }

    #[test]
    fn of_several_functions_the_one_is_named_for_which_records_wait() {
        let (about, before, mut now) = samples();
        queued(&mut now);
        let function = |name: &str, breaker| Function {
            stages: vec![name.to_owned()],
            remote: Remote { breaker, limit: 10, ..Remote::default() },
        };
        now.functions = vec![function("order", Breaker::Open), function("item", Breaker::Closed)];
        now.stages = vec![holding("order", 0), holding("item", 1_000)];
        assert_eq!(find(&about, &before, &now).kind, Kind::Workers);
        now.stages = vec![holding("order", 10), holding("item", 990)];
        let found = find(&about, &before, &now);
        assert_eq!(found.kind, Kind::Remote);
        assert!(found.says.starts_with("The remote side of order fails"), "{found:?}");
    }

    #[test]
    fn workers_that_cannot_do_what_a_threshold_leaves_them_get_the_policys_advice() {
        let advice_at = |threshold| {
            let (mut about, before, mut now) = samples();
            (about.threshold_eps, about.advice) = (Some(threshold), Some("Lower it."));
            queued(&mut now);
            now.functions = sole(Remote { limit: 10, ..Remote::default() });
            find(&about, &before, &now).advice
        };
        assert_eq!(advice_at(5_000.0), "Lower it.");
        assert!(advice_at(10.0).starts_with("Add workers"), "they do more than stays");
    }
}
