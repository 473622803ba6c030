//! Finds the bottleneck of a run: a pure function of two samples.

use std::time::Duration;

use serde::Serialize;

use super::sample::{About, Breaker, Remote, Sample};
use crate::batch::Nanos;
use crate::observe::{Counts, OnTime, WaitReason};
use crate::units::{show_count, show_duration};

/// The kinds of bottleneck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing: the run keeps up.
    #[default]
    Nothing,
    /// The workers are busy, and nothing is sent away for them.
    Workers,
    /// The workers have work and wait for a processor.
    Processor,
    /// The source makes or reads too few records.
    Source,
    /// The remote side fails or is slow.
    Remote,
    /// The limit on requests in flight is reached: the function's concurrency, or `--max-in-flight`.
    Concurrency,
    /// The budget is spent.
    Budget,
    /// The bridge's thread is busy.
    Bridge,
    /// The sink's writer is busy.
    Writer,
    /// Commits take too long.
    Commit,
    /// The destination of published output refuses lines or is slow.
    Publisher,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 11] = [
        Kind::Nothing,
        Kind::Workers,
        Kind::Processor,
        Kind::Source,
        Kind::Remote,
        Kind::Concurrency,
        Kind::Budget,
        Kind::Bridge,
        Kind::Writer,
        Kind::Commit,
        Kind::Publisher,
    ];

    /// Returns the kind's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing",
            Kind::Workers => "workers",
            Kind::Processor => "processor",
            Kind::Source => "source",
            Kind::Remote => "remote",
            Kind::Concurrency => "concurrency",
            Kind::Budget => "budget",
            Kind::Bridge => "bridge",
            Kind::Writer => "writer",
            Kind::Commit => "commit",
            Kind::Publisher => "publisher",
        }
    }
}

/// The bottleneck of a run, in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bottleneck {
    /// The kind of bottleneck.
    pub kind: Kind,
    /// One sentence with the figures that show it.
    pub says: String,
    /// What to do about it.
    pub advice: String,
}

/// A share of the time from which something matters.
const SOME: f64 = 0.1;
/// A share of the time from which something is busy all the time.
const BUSY: f64 = 0.85;
/// The time in seconds from which a backlog, or the lateness of a source, counts as a queue.
const LONG: f64 = 0.2;

/// The changes between two samples, per second.
struct Interval<'a> {
    about: &'a About,
    now: &'a Sample,
    seconds: f64,
    workers: f64,
    /// The number of records that were done.
    done: f64,
    /// The results that came in time, and where the late ones were made.
    on_time: OnTime,
    late: Counts,
    /// Shares of the workers' time.
    task: f64,
    cpu: f64,
    waited: [f64; WaitReason::ALL.len()],
    /// Shares of the time of the writer and of the bridge's thread.
    writer: f64,
    bridge: f64,
    throttled: u64,
}

impl<'a> Interval<'a> {
    fn new(about: &'a About, before: &Sample, now: &'a Sample) -> Option<Self> {
        let nanos = now.at.checked_sub(before.at).filter(|nanos| *nanos > 0)?;
        let share = |now: Nanos, before: Nanos| now.saturating_sub(before) as f64 / nanos as f64;
        let workers = about.workers.max(1) as f64;
        let remote = |sample: &Sample| sample.remote.unwrap_or_default();
        let mut waited = [0.0; WaitReason::ALL.len()];
        for (at, waited) in waited.iter_mut().enumerate() {
            *waited = share(now.tallied.waited[at], before.tallied.waited[at]) / workers;
        }
        let seconds = nanos as f64 / 1e9;
        let done = now.tallied.counts.since(&before.tallied.counts).done();
        Some(Interval {
            about,
            now,
            seconds,
            workers,
            done: done as f64 / seconds,
            on_time: now.tallied.on_time_since(&before.tallied),
            late: now.tallied.late.since(&before.tallied.late),
            task: share(now.tallied.useful_ns, before.tallied.useful_ns) / workers,
            cpu: share(now.tallied.cpu_ns, before.tallied.cpu_ns) / workers,
            waited,
            writer: share(now.writer.busy_ns, before.writer.busy_ns),
            bridge: share(remote(now).counters.cpu_ns, remote(before).counters.cpu_ns),
            throttled: remote(now)
                .counters
                .throttled
                .saturating_sub(remote(before).counters.throttled),
        })
    }

    fn waited_for(&self, what: WaitReason) -> f64 {
        self.waited[what as usize]
    }

    /// Returns the records that wait on workers, without those in flight.
    fn queued(&self) -> u64 {
        self.now.tallied.backlog.saturating_sub(self.now.tallied.in_flight)
    }

    /// Returns the seconds that the queue takes at the current rate.
    fn queue_s(&self) -> f64 {
        self.queued() as f64 / self.done.max(1.0)
    }

    fn late_s(&self) -> f64 {
        self.now.late_ns() as f64 / 1e9
    }

    /// Whether the threshold is above the workers' capacity.
    fn keeps_too_much(&self) -> bool {
        let all = self.done * self.about.processes.max(1) as f64;
        self.about.threshold_eps.is_none_or(|threshold| threshold > all)
    }

    /// Describes the queue in words.
    fn queue(&self) -> String {
        let queued = show_count(self.queued());
        let mut says = format!("{queued} records wait, which take {}", span(self.queue_s()));
        if self.late_s() > LONG {
            says += &format!(", and the source is {} behind its schedule", span(self.late_s()));
        }
        says
    }
}

/// Finds the bottleneck between the samples `before` and `now`.
pub(super) fn find(about: &About, before: &Sample, now: &Sample) -> Bottleneck {
    let Some(interval) = Interval::new(about, before, now) else { return Bottleneck::default() };
    let found = publisher(&interval)
        .or_else(|| writer(&interval))
        .or_else(|| queue(&interval))
        .or_else(|| commit(&interval))
        .or_else(|| source(&interval))
        .or_else(|| late(&interval))
        .unwrap_or_else(|| nothing(&interval));
    let (kind, says, advice) = found;
    Bottleneck { kind, says, advice }
}

type Found = (Kind, String, String);

fn found(kind: Kind, says: String, advice: &str) -> Option<Found> {
    Some((kind, says, advice.to_owned()))
}

/// A publisher that refuses lines holds everything up.
fn publisher(interval: &Interval) -> Option<Found> {
    /// More bytes than in one transaction.
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
fn writer(interval: &Interval) -> Option<Found> {
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
fn commit(interval: &Interval) -> Option<Found> {
    let commit = interval.waited_for(WaitReason::Commit);
    (commit > SOME).then_some(())?;
    let says = format!(
        "Commits: sources waited {} of the time for epochs to be committed before others begin.",
        percent(commit)
    );
    let advice = "Look at what a commit waits for: the disk's sync (sync=none does not), an epoch whose records \
                  are away for long, or another process of the run. A longer --commit-every commits less often.";
    found(Kind::Commit, says, advice)
}

/// Returns what keeps a queue from being worked off.
fn queue(interval: &Interval) -> Option<Found> {
    let backpressured = interval.waited_for(WaitReason::Backlog) > SOME;
    let limit = (interval.about.deadline_ms / 1e3).max(LONG);
    let is_long = interval.queue_s() > limit;
    let is_late = interval.late_s() > LONG && interval.cpu.max(interval.task) > BUSY;
    (backpressured || is_long || is_late).then_some(())?;
    if let Some(remote) = &interval.now.remote
        && let Some(found) = away(interval, remote)
    {
        return Some(found);
    }
    // The time in the task is by the clock: where it is much and little of it was on a processor, others
    // were.
    if interval.task > BUSY && interval.cpu < 0.7 * interval.task {
        let says = format!(
            "The processor: workers had work for {} of the time and ran for {}: {}.",
            percent(interval.task.min(1.0)),
            percent(interval.cpu),
            interval.queue(),
        );
        let advice = "Give the run more cores, or take from them what else runs there; more workers than cores \
                      only share them.";
        return found(Kind::Processor, says, advice);
    }
    let says = format!(
        "The workers: they are busy for {} of the time and do {} records a second: {}.",
        percent(interval.cpu.max(interval.task).min(1.0)),
        show_count(interval.done as u64),
        interval.queue(),
    );
    let advice = match (&interval.now.remote, interval.about.advice) {
        (None, _) => {
            "Add workers where there are cores (-- -w N), or let the excess go to a function: --policy \
                      deadline, or spill with a --threshold below what they do."
        }
        (Some(_), Some(advice)) if interval.keeps_too_much() => advice,
        (Some(_), _) => "Add workers where there are cores (-- -w N).",
    };
    found(Kind::Workers, says, advice)
}

/// Returns what keeps a queue from being sent away.
fn away(interval: &Interval, remote: &Remote) -> Option<Found> {
    let queue = interval.queue();
    if remote.is_spent {
        let says = format!("The budget is spent, so nothing is sent: {queue}.");
        return found(
            Kind::Budget,
            says,
            "Raise --budget or --budget-total, or wait for the next hour's.",
        );
    }
    match remote.breaker {
        Breaker::Closed => {}
        Breaker::Condemned => {
            let says = format!(
                "The remote results differ from the workers', so nothing more is sent: {queue}."
            );
            return found(
                Kind::Remote,
                says,
                "Deploy the function of this version: floodway check says more.",
            );
        }
        Breaker::Open | Breaker::HalfOpen => {
            let says = format!("The remote side fails, so nothing is sent to it for now: {queue}.");
            let advice = "It is tried again by itself. floodway check says what is wrong with it.";
            return found(Kind::Remote, says, advice);
        }
    }
    let in_flight = remote.counters.in_flight;
    let is_full = in_flight as f64 >= 0.9 * remote.limit as f64 && in_flight > 0;
    let is_throttled = interval.throttled as f64 / interval.seconds > 1.0;
    if is_full && !is_throttled && (remote.limit as f64) < 0.9 * remote.most as f64 {
        let says = format!(
            "The remote side: {} requests are in flight, about as many as its answers are in time for: {queue}.",
            in_flight,
        );
        let advice = "More are sent as it answers soon. If it does not: is the function slower than it was (more \
                      --memory makes it faster), or far away?";
        return found(Kind::Remote, says, advice);
    }
    if is_throttled || is_full {
        let says = format!(
            "The function's concurrency: {} requests are in flight of {} that may be, {} were throttled a second: \
             {queue}.",
            in_flight,
            remote.limit,
            (interval.throttled as f64 / interval.seconds).round(),
        );
        let advice = "Raise the function's (or the account's) concurrency, or --max-in-flight if that is what \
                      bounds it.";
        return found(Kind::Concurrency, says, advice);
    }
    (interval.bridge > BUSY).then_some(())?;
    let says = format!(
        "The bridge: its thread is busy for {} of the time: {queue}.",
        percent(interval.bridge)
    );
    found(
        Kind::Bridge,
        says,
        "Split the run over several processes (-- -n N): each has a bridge of its own.",
    )
}

/// The source is slow by itself.
fn source(interval: &Interval) -> Option<Found> {
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
    let advice = "Look at what it reads from: a pipe that brings no more, a disk, one thread that unpacks a file \
                  (several files are unpacked by several workers' readers).";
    found(Kind::Source, says, advice)
}

/// Results are late, although no queue is long at the moment.
fn late(interval: &Interval) -> Option<Found> {
    (interval.about.has_due_times && interval.on_time.is_missed()).then_some(())?;
    let (share, deadline) = (interval.on_time.late_share(), span(interval.about.deadline_ms / 1e3));
    let Counts { remote, home, .. } = interval.late;
    let late = interval.on_time.late;
    if 2 * remote > late {
        let says = format!(
            "The remote side: {share} of the results come later than {deadline}, and most of those are the \
             function's."
        );
        let advice = "Its round trip has to be well within the deadline: floodway check measures it. A function \
                      that is nearer or has more --memory answers sooner; a longer --deadline allows for it.";
        return found(Kind::Remote, says, advice);
    }
    if 2 * home > late {
        let says = format!(
            "The remote side: {share} of the results come later than {deadline}, and most of those are of records \
             that it returned undone."
        );
        let advice = "Look at why requests fail: floodway check says more.";
        return found(Kind::Remote, says, advice);
    }
    let says = format!(
        "The workers: {share} of their results come later than {deadline}, although they are busy for {} of the \
         time. Either more records came at once than they can process within {deadline}, or the process was paused.",
        percent(interval.cpu.max(interval.task).min(1.0)),
    );
    let advice = match interval.now.remote {
        None => {
            "Let what they cannot do in time go to a function: --policy deadline. If the process was paused, give it \
             a processor of its own."
        }
        Some(_) => "If the process was paused, give it a processor of its own.",
    };
    found(Kind::Workers, says, advice)
}

fn nothing(interval: &Interval) -> Found {
    let busy = percent(interval.cpu.max(interval.task).min(1.0));
    let done = show_count(interval.done as u64);
    if interval.done < 1.0 {
        let says = "Nothing comes at the moment, and nothing waits.";
        return (Kind::Nothing, says.to_owned(), String::new());
    }
    if !interval.about.is_paced {
        let says = format!(
            "The workers, as --rate max wants it: they are busy for {busy} of the time and do {done} records a \
             second."
        );
        let advice = "More workers do more where there are cores for them (-- -w N).";
        return (Kind::Workers, says, advice.to_owned());
    }
    let says = format!(
        "Nothing holds it up: what comes is done, {done} records a second, and {} busy for {busy} of the time.",
        if interval.workers == 1.0 { "the worker is" } else { "workers are" },
    );
    (Kind::Nothing, says, String::new())
}

fn percent(share: f64) -> String {
    match share {
        0.0..0.01 => "less than 1 %".to_owned(),
        _ => format!("{:.0} %", share * 100.0),
    }
}

fn span(seconds: f64) -> String {
    show_duration(Duration::from_millis((seconds * 1e3).min(1e12) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;

    const SECOND: Nanos = 1_000_000_000;

    /// Two workers, a second in which they did 1,000 records, half of the time.
    fn samples() -> (About, Sample, Sample) {
        let about =
            About { workers: 2, policy: "spill".into(), is_paced: true, ..About::default() };
        let before = Sample { at: SECOND, schedule: SECOND, ..Sample::default() };
        let mut now = Sample { at: 2 * SECOND, schedule: 2 * SECOND, ..Sample::default() };
        now.tallied.counts.bad = 1_000;
        (now.tallied.useful_ns, now.tallied.cpu_ns) = (SECOND, SECOND);
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
        now.tallied.backlog = 1_000;
        now.tallied.waited[WaitReason::Backlog as usize] = SECOND;
    }

    #[test]
    fn each_has_its_own_sign() {
        assert_eq!(kind_of(|_, _| ()), Kind::Nothing);
        assert_eq!(kind_of(|_, now| now.tallied.waited = [0, SECOND, 0]), Kind::Writer);
        assert_eq!(kind_of(|_, now| now.tallied.waited = [0, 0, SECOND]), Kind::Commit);
        // Epochs stay open for what waits.
        assert_eq!(kind_of(|_, now| now.tallied.waited = [SECOND, 0, SECOND]), Kind::Workers);
        assert_eq!(kind_of(|_, now| now.writer.is_refused = true), Kind::Publisher);
        let slow = |now: &mut Sample| {
            now.tallied.waited = [0, 0, SECOND];
            now.writer.unpublished_bytes = 64 << 20;
        };
        assert_eq!(kind_of(|_, now| slow(now)), Kind::Publisher);
        assert_eq!(kind_of(|_, now| queued(now)), Kind::Workers);
        assert_eq!(kind_of(|about, _| about.is_paced = false), Kind::Source);
        let silent = kind_of(|about, now| (about.is_paced, now.tallied.counts.bad) = (false, 0));
        assert_eq!(silent, Kind::Nothing);
        let late = |now: &mut Sample| now.tallied.next_due = Some(SECOND);
        assert_eq!(kind_of(|_, now| late(now)), Kind::Source);
        let busy = |now: &mut Sample| {
            late(now);
            now.tallied.useful_ns = 2 * SECOND;
        };
        assert_eq!(kind_of(|_, now| busy(now)), Kind::Processor);
        let whole = |now: &mut Sample| {
            busy(now);
            now.tallied.cpu_ns = 2 * SECOND;
        };
        assert_eq!(kind_of(|_, now| whole(now)), Kind::Workers);
    }

    #[test]
    fn a_queue_that_is_not_sent_says_why() {
        let with = |remote: Remote| {
            kind_of(|_, now| {
                queued(now);
                now.remote = Some(Remote { limit: 10, ..remote });
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
        // Its own limit, that has not come to what may be.
        let slow = Remote { most: 1_000, ..counting(|counters| counters.in_flight = 10) };
        assert_eq!(with(slow), Kind::Remote);
        assert_eq!(with(counting(|counters| counters.cpu_ns = SECOND)), Kind::Bridge);
        // Without a queue none of that holds anything up.
        let spent = Some(Remote { is_spent: true, ..Remote::default() });
        assert_eq!(kind_of(|_, now| now.remote = spent), Kind::Nothing);
    }

    #[test]
    fn workers_that_cannot_do_what_a_threshold_leaves_them_get_the_policys_advice() {
        let advice_at = |threshold| {
            let (mut about, before, mut now) = samples();
            (about.threshold_eps, about.advice) = (Some(threshold), Some("Lower it."));
            queued(&mut now);
            now.remote = Some(Remote { limit: 10, ..Remote::default() });
            find(&about, &before, &now).advice
        };
        assert_eq!(advice_at(5_000.0), "Lower it.");
        assert!(advice_at(10.0).starts_with("Add workers"), "they do more than stays");
    }
}
