//! The policy `deadline`: keeps a deadline at the lowest cost, without a threshold.
//!
//! Whoever runs a stream knows how late a result may be. From the deadline, the worker's true rate and the
//! remote side's latency, this policy computes which records have to be sent, and when.
//!
//! **Which records are sent**: those that would miss their due time on the worker and not remotely. The queue
//! is first in, first out, so the worker finishes a record after all records before it, at the worker's rate.
//! A record that would be late on both sides is computed by the side that is sooner. In a queue that is late
//! altogether, the worker therefore computes the oldest records, and only records that would wait for longer
//! than a remote round trip are sent.
//!
//! **When they are sent**: at their last safe moment, which is the due time less the remote latency (the 99th
//! percentile, in which requests in flight count at their present age). Until then they stay in the queue.
//! Any change (the burst ends, or the work becomes cheaper) changes the estimates of the whole queue at once,
//! so no record has to be taken back, and a short burst is absorbed at no cost. When the last safe moment of
//! one record has come, later records that would also have to be sent are sent with it until the request is
//! full: a request costs about the same with one record as with a thousand, and the later records have time
//! to spare.
//!
//! **Why there are margins.** If the worker kept every record that it would just finish in time, each of its
//! results would come exactly when it is due. Then any error of an estimate (a slow record, another
//! operator's turn) would make results late: half of them. So each side has a margin on its
//! estimate, which is adapted to the share of late results: if more than one in two hundred is late, it grows
//! by half at once; otherwise it shrinks by one fiftieth every tenth of a second.
//!
//! **Where requests fail**, a last safe moment would leave no time for a second try. So records are sent
//! earlier by the time that the worker needs for a full request, and the worker keeps as much time in
//! reserve. A request that fails is then returned and computed first, and few results are late because of it.
//!
//! **Peers first.** An idle worker of the same process costs nothing and has almost no latency. It receives
//! the records that this worker would compute next but one, before anything is sent to the remote side.
//!
//! The policy does not oscillate: it decides by the queue and its due times, which follow from the offered
//! records, and sending records does not change how many are offered. It stops by itself: when the worker can
//! finish all records in time, it sends none.

use super::margin::{self, Margin};
use super::{
    Color, Completed, Destination, Entry, Policy, Rates, RemoteLatency, Sends, Side, Spec, Take,
};
use crate::batch::Nanos;

/// Sends the records that would miss their due time on the worker, at the last safe moment.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    local: Margin,
    remote: Margin,
    /// Whether neither side can keep the deadline with any margins. Late results then do not change the
    /// margins.
    hopeless: bool,
}

/// Failure rate above which failed requests are retried remotely if the worker has other work.
const FEW: f64 = 0.05;

/// Interval over which arrivals are measured: several containers arrive within it, and it is short compared
/// with the time that an environment takes to start.
const ARRIVALS: Nanos = 20_000_000;

impl Deadline {
    /// The policy's entry in the list of policies.
    pub const SPEC: Spec = Spec {
        name: "deadline",
        help: "The records that a worker would finish after their deadline",
        sends: Sends::Late,
        color: Color::Green,
        advice: None,
        make: |of| Box::new(Deadline::new(of.slack)),
    };

    /// Creates the policy. `slack` is the deadline: the time from a record's schedule to when its result is
    /// due.
    pub fn new(slack: Nanos) -> Self {
        let most = slack / 4;
        // A larger local margin leaves capacity of the worker unused. A larger remote margin makes decisions
        // earlier than necessary.
        let margin = Margin::new(slack / 50, most);
        Deadline { local: margin, remote: margin, hopeless: false }
    }

    /// Returns the local and the remote margin.
    pub fn margins(&self) -> [Nanos; 2] {
        [self.local.get(), self.remote.get()]
    }
}

/// Records that one plan may still take.
struct Room {
    /// Records that the bridge takes.
    all: usize,
    /// Records that meet a warm environment.
    warm: usize,
    /// Records until the last request is full.
    fill: usize,
}

impl Policy for Deadline {
    fn offload_threshold(&self) -> Option<f64> {
        None
    }

    fn plans_by_due_time(&self) -> bool {
        true
    }

    /// Records behind the returned ones were sent earlier to leave time for them. But if many requests fail,
    /// the worker would do nothing else.
    fn returned_work_skips_queue(&self, remote: RemoteLatency) -> bool {
        remote.failure_rate <= FEW
    }

    fn on_completed(&mut self, now: Nanos, done: Completed) {
        if !self.hopeless {
            match done.side {
                Side::Local => &mut self.local,
                Side::Remote => &mut self.remote,
            }
            .note(now, done.records, done.late);
        }
    }

    fn plan(&mut self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        // The rate is known once the worker has computed one slice.
        let Some(rate) = rates.effective() else { return };
        let fits = |until: Nanos| rates.computes(now, until).unwrap_or_default();
        let mut room = Room { all: rates.room, warm: rates.warm_room, fill: 0 };
        let [margin, remote_margin] = self.margins();
        let warm = rates.remote.p99;
        let cold = warm.max(rates.remote.cold_start);
        self.hopeless = warm + remote_margin > rates.slack;
        let again = again_at_home(&rates, rate);
        let remote = now + warm + remote_margin + again;
        let margin = margin + again;
        let (next, mut ahead) = share(queue, rates.peers, rate, takes);
        for (index, entry) in queue.iter().copied().flatten().enumerate().skip(next) {
            let records = entry.records();
            if room.all == 0 {
                self.hopeless |= rates.room == 0;
                break;
            }
            let due = entry.due.saturating_sub(rates.after);
            let slack = due.saturating_sub(entry.scheduled.last);
            if room.fill == 0 && remote < entry.scheduled.first + slack {
                // The last safe moment of this record has not come, and so neither has that of a later one.
                break;
            }
            // The records that stay are those that the worker finishes in time, or at least not later than
            // the remote side.
            let (to, latency) =
                if room.warm > 0 { (Destination::Warm, warm) } else { (Destination::Remote, cold) };
            let there = now + latency;
            // Where the remote side would be late too, the worker keeps what it finishes sooner.
            let is_safe = due >= there;
            let stay = |margin| {
                let until = if is_safe { due.saturating_sub(margin) } else { there };
                fits(until).saturating_sub(ahead)
            };
            // What other stages need varies from one turn to the next: a request is not begun for what would only use
            // up a part of the margin.
            let varies = room.fill == 0 && !rates.reserved.is_none();
            let allowed = if varies { margin - self.local.get() / 2 } else { margin };
            if entry.returned || stay(allowed) >= records {
                ahead += records;
                continue;
            }
            let stay = stay(margin);
            // The last records of the entry are sent, because they have the most time left.
            let mut go = records - stay;
            let first_due = entry.scheduled.time(stay, records) + slack;
            if remote < first_due {
                go = go.min(room.fill);
            }
            go = go.min(room.all).min(if to == Destination::Warm { room.warm } else { usize::MAX });
            ahead += records - go;
            if go > 0 {
                takes.push(Take { entry: index, range: entry.range.end - go..entry.range.end, to });
                room.took(go, rates.batch);
            }
        }
    }

    /// Returns by how much the stream exceeds the worker's rate, once the time until the first record has to
    /// be sent is about as short as the start of an environment.
    fn expected_rate(&self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates) -> f64 {
        let Some(rate) = rates.effective() else { return 0.0 };
        // What other stages leave.
        let horizon = rates.slack.max(1);
        let reserved = rates.reserved.until(now + horizon) / (horizon as f64 * rates.share);
        let rate = (rate * (1.0 - reserved)).max(rate.min(1.0));
        // Peers can compute the records, or the remote side would be late.
        if rates.peers > 0 || rates.remote.p99 >= rates.slack {
            return 0.0;
        }
        let newest = || queue.iter().rev().flat_map(|entries| entries.iter().rev());
        let Some(last) = newest().next().filter(|last| last.arrival + ARRIVALS >= now) else {
            return 0.0;
        };
        // By their schedule: a stage may receive at once what was scheduled over some time.
        let from = last.scheduled.last.saturating_sub(ARRIVALS);
        let mut arrived = 0;
        for entry in newest() {
            if entry.returned || entry.scheduled.first < from {
                let excess = arrived as f64 / (ARRIVALS as f64 / 1e9) - rate;
                let local = rates.waiting as f64 / rate;
                let until_full = (rates.slack as f64 / 1e9 - local) * rate / excess;
                let lead = until_full * 1e9 + rates.slack.saturating_sub(rates.remote.p99) as f64;
                let start = 2.0 * rates.remote.cold_start.max(rates.remote.p99) as f64;
                return if excess > 0.0 && lead <= start { excess } else { 0.0 };
            }
            arrived += entry.records();
        }
        // All waiting records are more recent, so the worker keeps up.
        0.0
    }
}

/// Returns how much earlier records are sent where requests fail, so that the worker can compute returned
/// records in time.
fn again_at_home(rates: &Rates, rate: f64) -> Nanos {
    if rates.remote.failure_rate <= margin::TARGET {
        return 0;
    }
    let request = (rates.batch as f64 / rate * 1e9) as Nanos;
    // If the deadline leaves no time for this, only requests that do not fail keep it.
    request.min(rates.slack.saturating_sub(rates.remote.p99) / 2)
}

/// Sends records that this worker would compute soon, but not at once, to idle peers. Returns the first entry
/// that it did not examine, and the number of records that stay before it.
fn share(
    queue: &[&[Entry]; 2],
    mut peers: usize,
    rate: f64,
    takes: &mut Vec<Take>,
) -> (usize, usize) {
    // The records that the worker computes before it plans again stay.
    let keep = (rate / 1_000.0) as usize;
    let (mut next, mut ahead) = (0, 0);
    for entry in queue.iter().copied().flatten() {
        if peers == 0 {
            break;
        }
        let first = entry.range.start + keep.saturating_sub(ahead).min(entry.records());
        let given = if entry.returned { 0 } else { (entry.range.end - first).min(peers) };
        if given > 0 {
            takes.push(Take { entry: next, range: first..first + given, to: Destination::Peer });
            peers -= given;
        }
        ahead += entry.records() - given;
        next += 1;
    }
    (next, ahead)
}

impl Room {
    fn took(&mut self, records: usize, batch: usize) {
        self.all -= records;
        self.warm = self.warm.saturating_sub(records);
        let batch = batch.max(1);
        self.fill = if records <= self.fill {
            self.fill - records
        } else {
            (batch - (records - self.fill) % batch) % batch
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use crate::policy::Queue;

    const MS: Nanos = 1_000_000;
    const SLACK: Nanos = 200 * MS;

    /// A worker that computes 100 records per millisecond, and a warm remote side that takes 38 ms.
    fn rates() -> Rates<'static> {
        let remote = RemoteLatency { median: 30 * MS, p99: 38 * MS, ..RemoteLatency::default() };
        Rates { local: Some(100_000.0), remote, slack: SLACK, ..Rates::default() }
    }

    /// A queue of containers with the records of one millisecond at `rate`, scheduled from 0 to `ms`
    /// milliseconds.
    fn queue(rate: usize, ms: u64) -> Queue<()> {
        let mut queue = Queue::default();
        for at in (0..ms).map(|ms| ms * MS) {
            queue.push(0..rate, at, Span { first: at, last: at + MS - 1 }, SLACK, ());
        }
        queue
    }

    fn plan(queue: &Queue<()>, now: Nanos, rates: Rates) -> Vec<Take> {
        let mut takes = Vec::new();
        Deadline::new(SLACK).plan(now, &queue.entries(), rates, &mut takes);
        takes
    }

    fn records(takes: &[Take]) -> usize {
        takes.iter().map(|take| take.range.len()).sum()
    }

    /// 400 records per millisecond for 150 ms are 600 ms of work, so most records have to be sent. They are
    /// sent when the first of them that the worker cannot finish has only the remote latency and the margin
    /// left.
    #[test]
    fn records_that_would_be_late_are_sent_at_their_last_safe_moment() {
        let queue = queue(400, 150);
        // At 168 ms the first ten containers are due within 42 ms, which is the remote latency plus the
        // margin. The worker computes nine and a half of them in the time that its own margin leaves.
        let last_safe = 9 * MS + MS * 6 / 10 + SLACK - 42 * MS;
        assert!(plan(&queue, last_safe - MS, rates()).is_empty(), "there is time left");
        let takes = plan(&queue, last_safe + MS / 2, rates());
        assert_eq!((takes[0].entry, takes[0].range.end), (9, 400));
        assert!((180..=200).contains(&takes[0].range.start), "{takes:?}");
        // The remote side has become slower, so records have to be sent earlier.
        let slower = Rates { remote: RemoteLatency { p99: 58 * MS, ..rates().remote }, ..rates() };
        assert!(records(&plan(&queue, last_safe - 10 * MS, slower)) > 0);
        // Requests fail: a full one takes the worker 10 ms, which is kept in reserve on both sides.
        let fails =
            Rates { remote: RemoteLatency { failure_rate: 0.02, ..rates().remote }, ..rates() };
        assert!(records(&plan(&queue, last_safe - 9 * MS, fails)) > 0);
        assert!(plan(&queue, last_safe - 11 * MS, fails).is_empty());
        // The work has become cheaper, so nothing has to be sent.
        assert!(plan(&queue, last_safe, Rates { local: Some(500_000.0), ..rates() }).is_empty());
    }

    /// Requests are filled with later records that would also have to be sent.
    #[test]
    fn a_request_is_filled_with_later_records_that_would_be_late() {
        let queue = queue(400, 100);
        // The worker has computed nothing for 170 ms: the oldest record is due in 30 ms, and the worker
        // computes it.
        let takes = plan(&queue, 170 * MS, rates());
        assert!(records(&takes) > 0 && records(&takes).is_multiple_of(1_000), "{takes:?}");
        let small = Rates { batch: 150, ..rates() };
        assert_eq!(records(&plan(&queue, 170 * MS, small)) % 150, 0);
    }

    /// All records are late on both sides: the oldest stay, and those that would wait for longer than a round
    /// trip are sent.
    #[test]
    fn in_a_queue_that_is_late_altogether_the_worker_computes_the_oldest() {
        let queue = queue(100, 300);
        let takes = plan(&queue, 2_000 * MS, rates());
        let stay = queue.records() - records(&takes);
        assert_eq!(stay, 3_800, "38 ms of work");
        assert_eq!(takes[0].entry, 38);
        assert!(takes.windows(2).all(|two| two[0].entry + 1 == two[1].entry));
    }

    /// A cold environment is used only where the worker takes longer still.
    #[test]
    fn records_stay_where_a_cold_start_would_be_later_than_the_worker() {
        let queue = queue(100, 300);
        let mut rates = rates();
        rates.warm_room = 2_000;
        rates.remote.cold_start = 500 * MS;
        let takes = plan(&queue, 2_000 * MS, rates);
        assert_eq!(records(&takes), 2_000, "the worker finishes in 280 ms");
        assert!(takes.iter().all(|take| take.to == Destination::Warm));
        rates.remote.cold_start = 150 * MS;
        let takes = plan(&queue, 2_000 * MS, rates);
        let cold: Vec<_> = takes.iter().filter(|take| take.to == Destination::Remote).collect();
        assert!(!cold.is_empty() && records(&takes) > 2_000, "{takes:?}");
    }

    /// Idle peers receive the records that this worker would compute next but one. The plan then ignores
    /// them.
    #[test]
    fn idle_peers_receive_the_records_that_are_next_but_one() {
        let queue = queue(400, 150);
        let idle = Rates { peers: 500, ..rates() };
        let takes = plan(&queue, 150 * MS, idle);
        let peers = |entry, range| Take { entry, range, to: Destination::Peer };
        assert_eq!(takes, [peers(0, 100..400), peers(1, 0..200)]);
        let takes = plan(&queue, 172 * MS, idle);
        assert_eq!(takes[..2], [peers(0, 100..400), peers(1, 0..200)]);
        assert!(
            takes.len() > 2 && takes[2..].iter().all(|take| take.to == Destination::Warm),
            "{takes:?}"
        );
    }

    #[test]
    fn environments_are_started_when_the_time_until_the_first_send_is_short() {
        let policy = Deadline::new(SLACK);
        let expects = |queue: &Queue<()>, now, cold| {
            let mut rates = Rates { waiting: queue.records(), ..rates() };
            rates.remote.cold_start = cold;
            policy.expected_rate(now, &queue.entries(), rates)
        };
        // The stream brings four times what the worker computes: nothing has to be sent before 200 / 3 + 200
        // - 38 ms.
        let queue = queue(400, 30);
        let excess = expects(&queue, 30 * MS, 150 * MS);
        assert!((280_000.0..320_000.0).contains(&excess), "{excess}");
        assert_eq!(expects(&queue, 30 * MS, 50 * MS), 0.0, "there is time left");
        assert_eq!(
            expects(&super::tests::queue(90, 30), 30 * MS, 150 * MS),
            0.0,
            "the worker keeps up"
        );
    }
}
