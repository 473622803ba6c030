//! Keep a deadline at the least cost: no threshold to guess.
//!
//! Whoever runs a stream knows how late a result may be. From that, the worker's true rate and the
//! remote side's latency follows what has to go, and when.
//!
//! **What goes**: a record that would miss its due time at home, and would not remotely. The queue
//! is first in, first out, so a record's end at home is now, and what waits before it at the
//! worker's rate. A record that would be late on both sides goes to the sooner one: so a queue that
//! is late altogether is done first in, first out, and only what is behind it by more than a remote
//! round trip goes.
//!
//! **When it goes**: at its last safe moment, which is its due time less what the remote side takes
//! (the 99th percentile, requests still in flight counted at their age). Until then it is the
//! worker's, and whatever changes (the burst ends, the work gets cheaper) reprices the whole queue
//! at once, so that nothing has to be taken back and a short burst is smoothed away for nothing.
//! One record's last safe moment takes others along that would have to go too, until a request is
//! full: a request costs the same with one record as with a thousand, and these still have slack.
//!
//! **Why the tail is not parked at the deadline.** Admitting to the home queue whatever would just
//! make it fills the queue up to exactly the deadline: then every later record ends exactly when it
//! is due, and each error of an estimate, a slower record, a turn of another operator, makes it
//! late; half of them would be. So an estimate has a guard on top, one for each side, adapted to the
//! fraction of results that came late: more than one in two hundred and it grows by half at once,
//! fewer and it shrinks by a fiftieth every tenth of a second. The tail is kept that much before the
//! deadline, and not more.
//!
//! **Where requests fail**, a last safe moment would leave no time for anything else: so they go sooner
//! by what a full one takes at home, and home keeps as much in hand. One that fails comes home then and is
//! done first, and little is late because of it.
//!
//! **Peers before dollars.** An idle worker of the same process is a remote side that costs nothing and
//! takes no time: it is given what this worker would do next but one, before anything is sent.
//!
//! It does not oscillate: what it decides by, the queue and its due times, is what was offered, and
//! offloading does not change how much that was. It stops by itself: when nothing would be late at
//! home, nothing goes.

use super::guard::{self, Guard};
use super::{
    Color, Completed, Destination, Entry, Policy, Rates, RemoteLatency, Sends, Side, Spec, Take,
};
use crate::batch::Nanos;

/// Offloads what would miss its due time at home, at the last safe moment.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    home: Guard,
    remote: Guard,
    /// Neither side can keep the deadline, whatever the guards are: what is late then says nothing
    /// about them.
    hopeless: bool,
}

/// Where a larger share of the requests fails, they are tried again remotely if home has other work.
const FEW: f64 = 0.05;

/// Arrivals are measured over so long: long enough for some containers, and short beside the lead
/// that there is to start environments in.
const ARRIVALS: Nanos = 20_000_000;

impl Deadline {
    /// What is listed of it.
    pub const SPEC: Spec = Spec {
        name: "deadline",
        help: "The records that a worker would finish after their deadline",
        sends: Sends::Late,
        color: Color::Green,
        advice: None,
        make: |of| Box::new(Deadline::new(of.slack)),
    };

    /// `slack` is the deadline: from a record's schedule to when its result is due.
    pub fn new(slack: Nanos) -> Self {
        let most = slack / 4;
        // What is kept at home is buffer that is not used, and what is kept remotely a decision that is
        // made sooner than it has to be.
        let guard = Guard::new(slack / 50, most);
        Deadline { home: guard, remote: guard, hopeless: false }
    }

    /// The margins that are kept at home and remotely.
    pub fn guards(&self) -> [Nanos; 2] {
        [self.home.get(), self.remote.get()]
    }
}

/// What is taken in one plan.
struct Room {
    /// Records that the bridge takes.
    all: usize,
    /// Those of them that meet a warm environment.
    warm: usize,
    /// Records until the last request begun is full.
    fill: usize,
}

impl Policy for Deadline {
    fn offload_threshold(&self) -> Option<f64> {
        None
    }

    fn plans_by_due_time(&self) -> bool {
        true
    }

    /// What had to go because of it went. But where many requests fail, home would do nothing else.
    fn returned_work_skips_queue(&self, remote: RemoteLatency) -> bool {
        remote.failure_rate <= FEW
    }

    fn on_completed(&mut self, now: Nanos, done: Completed) {
        if !self.hopeless {
            match done.side {
                Side::Local => &mut self.home,
                Side::Remote => &mut self.remote,
            }
            .note(now, done.records, done.late);
        }
    }

    fn plan(&mut self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        // A worker that has done nothing yet does something first: a slice, and it is known.
        let Some(rate) = rates.effective() else { return };
        let fits = |until: Nanos| (until.saturating_sub(now) as f64 / 1e9 * rate) as usize;
        let mut room = Room { all: rates.room, warm: rates.warm_room, fill: 0 };
        let [guard, remote_guard] = self.guards();
        let warm = rates.remote.p99;
        let cold = warm.max(rates.remote.cold_start);
        self.hopeless = warm + remote_guard > rates.slack;
        let again = again_at_home(&rates, rate);
        let remote = now + warm + remote_guard + again;
        let guard = guard + again;
        let (next, mut ahead) = share(queue, rates.peers, rate, takes);
        for (index, entry) in queue.iter().copied().flatten().enumerate().skip(next) {
            let records = entry.records();
            if room.all == 0 {
                self.hopeless |= rates.room == 0;
                break;
            }
            let slack = entry.due.saturating_sub(entry.scheduled.last);
            if room.fill == 0 && remote < entry.scheduled.first + slack {
                // Neither this one's last safe moment has come nor a later one's.
                break;
            }
            // As many stay as are done in time, or at least not later than remotely.
            let (to, latency) =
                if room.warm > 0 { (Destination::Warm, warm) } else { (Destination::Remote, cold) };
            let there = now + latency;
            // What the margin was kept for has happened: nothing would be gained by sending it now.
            let is_safe = entry.due >= there;
            let until = if is_safe { entry.due.saturating_sub(guard) } else { there };
            let stay = fits(until).saturating_sub(ahead);
            if entry.returned || stay >= records {
                ahead += records;
                continue;
            }
            // The last ones of the entry go: they have the most slack on the way.
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

    /// The stream's excess over what the worker does, once the time until the first record has to go
    /// is not much longer than an environment takes to start.
    fn expected_rate(&self, now: Nanos, queue: &[&[Entry]; 2], rates: Rates) -> f64 {
        let Some(rate) = rates.effective() else { return 0.0 };
        // Peers have time; or nothing would be in time remotely.
        if rates.peers > 0 || rates.remote.p99 >= rates.slack {
            return 0.0;
        }
        let from = now.saturating_sub(ARRIVALS);
        let newest = queue.iter().rev().flat_map(|entries| entries.iter().rev());
        let mut arrived = 0;
        for entry in newest {
            if entry.returned || entry.arrival < from {
                let excess = arrived as f64 / (ARRIVALS as f64 / 1e9) - rate;
                let home = rates.waiting as f64 / rate;
                let until_full = (rates.slack as f64 / 1e9 - home) * rate / excess;
                let lead = until_full * 1e9 + rates.slack.saturating_sub(rates.remote.p99) as f64;
                let start = 2.0 * rates.remote.cold_start.max(rates.remote.p99) as f64;
                return if excess > 0.0 && lead <= start { excess } else { 0.0 };
            }
            arrived += entry.records();
        }
        // All that waits is younger: the worker keeps up.
        0.0
    }
}

/// Where requests fail, they go so much sooner that one that comes home is done there in time.
fn again_at_home(rates: &Rates, rate: f64) -> Nanos {
    if rates.remote.failure_rate <= guard::TARGET {
        return 0;
    }
    let request = (rates.batch as f64 / rate * 1e9) as Nanos;
    // A deadline that leaves no time for it is kept by those that do not fail.
    request.min(rates.slack.saturating_sub(rates.remote.p99) / 2)
}

/// Gives idle peers what they take, of what this worker would do soon but not at once. Answers the
/// first entry that it did not look at, and the records that stay before it.
fn share(
    queue: &[&[Entry]; 2],
    mut peers: usize,
    rate: f64,
    takes: &mut Vec<Take>,
) -> (usize, usize) {
    // What the worker does before it plans again stays.
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

    /// A worker that does 100 records a millisecond, and a remote side that takes 38 ms and is warm.
    fn rates() -> Rates {
        let remote = RemoteLatency { median: 30 * MS, p99: 38 * MS, ..RemoteLatency::default() };
        Rates { local: Some(100_000.0), remote, slack: SLACK, ..Rates::default() }
    }

    /// Containers of a millisecond of `rate` records, scheduled at 0 to `ms` milliseconds.
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

    /// 400 records a millisecond for 150 ms are 600 ms of work: most of it has to go. But not before
    /// the first of those that home cannot do has only what the remote side takes, and the guard, left.
    #[test]
    fn what_would_be_late_goes_at_its_last_safe_moment() {
        let queue = queue(400, 150);
        // At 168 ms the first ten containers are due within 42 ms, which are the remote side's and the
        // guard's; home does nine and a half of them in the time that its own guard leaves.
        let last_safe = 9 * MS + MS * 6 / 10 + SLACK - 42 * MS;
        assert!(plan(&queue, last_safe - MS, rates()).is_empty(), "it has time");
        let takes = plan(&queue, last_safe + MS / 2, rates());
        assert_eq!((takes[0].entry, takes[0].range.end), (9, 400));
        assert!((180..=200).contains(&takes[0].range.start), "{takes:?}");
        // The remote side has become slower: it has to go sooner.
        let slower = Rates { remote: RemoteLatency { p99: 58 * MS, ..rates().remote }, ..rates() };
        assert!(records(&plan(&queue, last_safe - 10 * MS, slower)) > 0);
        // Requests fail: a full one takes 10 ms at home, which is kept in hand there and remotely.
        let fails =
            Rates { remote: RemoteLatency { failure_rate: 0.02, ..rates().remote }, ..rates() };
        assert!(records(&plan(&queue, last_safe - 9 * MS, fails)) > 0);
        assert!(plan(&queue, last_safe - 11 * MS, fails).is_empty());
        // The work has become cheaper: nothing has to go at all.
        assert!(plan(&queue, last_safe, Rates { local: Some(500_000.0), ..rates() }).is_empty());
    }

    /// Requests are filled with what would have to go too.
    #[test]
    fn a_request_is_full() {
        let queue = queue(400, 100);
        // Nobody has done anything for 170 ms: the oldest is due in 30, and is done here.
        let takes = plan(&queue, 170 * MS, rates());
        assert!(records(&takes) > 0 && records(&takes).is_multiple_of(1_000), "{takes:?}");
        let small = Rates { batch: 150, ..rates() };
        assert_eq!(records(&plan(&queue, 170 * MS, small)) % 150, 0);
    }

    /// All is late on both sides: the oldest stay, and what is behind them by more than a round trip
    /// goes.
    #[test]
    fn what_is_late_is_done_first_in_first_out() {
        let queue = queue(100, 300);
        let takes = plan(&queue, 2_000 * MS, rates());
        let stay = queue.records() - records(&takes);
        assert_eq!(stay, 3_800, "38 ms of work");
        assert_eq!(takes[0].entry, 38);
        assert!(takes.windows(2).all(|two| two[0].entry + 1 == two[1].entry));
    }

    /// A cold environment is worth its time only where home takes longer still.
    #[test]
    fn a_cold_start_may_be_later_than_home() {
        let queue = queue(100, 300);
        let mut rates = rates();
        rates.warm_room = 2_000;
        rates.remote.cold_start = 500 * MS;
        let takes = plan(&queue, 2_000 * MS, rates);
        assert_eq!(records(&takes), 2_000, "home is done in 280 ms");
        assert!(takes.iter().all(|take| take.to == Destination::Warm));
        rates.remote.cold_start = 150 * MS;
        let takes = plan(&queue, 2_000 * MS, rates);
        let cold: Vec<_> = takes.iter().filter(|take| take.to == Destination::Remote).collect();
        assert!(!cold.is_empty() && records(&takes) > 2_000, "{takes:?}");
    }

    /// What idle peers take is what would be done next but one; the others are planned about without it.
    #[test]
    fn peers_take_what_is_next_but_one() {
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
    fn environments_are_started_when_the_lead_is_short() {
        let policy = Deadline::new(SLACK);
        let expects = |queue: &Queue<()>, now, cold| {
            let mut rates = Rates { waiting: queue.records(), ..rates() };
            rates.remote.cold_start = cold;
            policy.expected_rate(now, &queue.entries(), rates)
        };
        // Four times what the worker does: nothing has to go before 200 / 3 + 200 - 38 ms.
        let queue = queue(400, 30);
        let excess = expects(&queue, 30 * MS, 150 * MS);
        assert!((280_000.0..320_000.0).contains(&excess), "{excess}");
        assert_eq!(expects(&queue, 30 * MS, 50 * MS), 0.0, "there is time");
        assert_eq!(expects(&super::tests::queue(90, 30), 30 * MS, 150 * MS), 0.0, "it keeps up");
    }
}
