//! The simulation agrees with the bridge: both drivers of the request machine, with the same work items and
//! against the same remote side, decide the same at the same time. The bridge's driver runs on its real runtime,
//! whose clock is paused: it goes on to the next timer when nothing is left to do.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::bridge::Bridge;
use super::faulty::{Fault, Faulty, MS, fault};
use super::item::WorkItem;
use super::lambda::{Call, Invocation, Remote};
use crate::batch::Nanos;
use crate::bridge::core::Part;
use crate::bridge::modelled::{self, Course};
use crate::bridge::{CostLimits, Counters, Offer, Outcome, PendingRanges, Settings, reply_channel};
use crate::cost::Cost;

const WORKERS: usize = 2;

/// What a worker does.
#[derive(Clone, Copy, Debug)]
enum Does {
    HandOver {
        records: usize,
        warm_only: bool,
        urgent: bool,
    },
    /// It computes the first records of one of the work items.
    Computes {
        item: usize,
        records: usize,
    },
    /// It has so many records to compute, and computes so many a second.
    Load {
        waiting: usize,
        rate: u16,
    },
    LeavesAllToTheRemoteSide,
    Expects {
        rate: u16,
    },
}

/// Something that happens in a millisecond, to one of the workers.
type Step = (Nanos, usize, Does);

/// What is seen from outside after each millisecond.
#[derive(Debug, PartialEq)]
struct Seen {
    counters: Counters,
    offer: Offer,
    /// The attempts that were sent: their records.
    sent: Vec<usize>,
    replies: Vec<Range>,
}

/// Worker, work item, range, and whether the records have results.
type Range = (usize, u64, usize, usize, bool);

#[derive(Clone, Debug)]
struct Run {
    seed: u64,
    settings: Settings,
    faults: Vec<Fault>,
    steps: Vec<Step>,
    close_at: Nanos,
}

/// How many milliseconds are compared, and how many have steps and faults.
const LENGTH: Nanos = 300;
const BUSY: Nanos = 150;

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        8 => (1..60_usize, any::<bool>(), any::<bool>())
            .prop_map(|(records, warm_only, urgent)| Does::HandOver { records, warm_only, urgent }),
        2 => (0..20_usize, 1..40_usize).prop_map(|(item, records)| Does::Computes { item, records }),
        2 => (0..500_usize, 1..5_000_u16).prop_map(|(waiting, rate)| Does::Load { waiting, rate }),
        1 => Just(Does::LeavesAllToTheRemoteSide),
        1 => (1..5_000_u16).prop_map(|rate| Does::Expects { rate }),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let step = (0..BUSY, 0..WORKERS, does());
    let steps = prop::collection::vec(step, 1..150);
    let faults = prop::collection::vec(fault(), 1..20);
    let settings = (1..5_u32, 1..40_usize, 1..20_usize, 1..5_u64);
    let more = (any::<bool>(), any::<bool>(), prop::option::weighted(0.3, 1.0..20.0_f64));
    let call = (prop::bool::weighted(0.2), prop::option::weighted(0.2, 1..40_u32));
    let settings = (settings, more, call).prop_map(|(settings, more, call)| {
        let (hedge, warm_up, budget) = more;
        let (is_only_side, requests_per_second) = call;
        let (attempts, batch, max_in_flight, linger) = settings;
        let (ms, cost) = (Duration::from_millis, Cost::default());
        Settings {
            batch_records: batch,
            linger: ms(linger),
            is_only_side,
            requests_per_second,
            max_in_flight,
            initial_in_flight: max_in_flight.min(10),
            timeout: ms(40),
            attempts,
            backoff: ms(10),
            throttle_backoff: ms(5),
            max_backoff: ms(20),
            first_latency: ms(5),
            overdue_after: ms(10),
            hedge: if hedge { 0.5 } else { 0.0 },
            warm_up: warm_up.then_some(0.8),
            cost_limits: CostLimits {
                total: budget.map(|of| of * cost.usd(1, 10.0)),
                per_hour: None,
            },
            cost,
            // Nothing is sent there.
            endpoint: "http://localhost:1/".parse().unwrap(),
            // The simulation takes no time for these.
            probes_at_start: false,
            ..Settings::default()
        }
    });
    let close_at = prop_oneof![Just(LENGTH - 10), 1..LENGTH];
    (any::<u64>(), settings, faults, steps, close_at).prop_map(
        |(seed, settings, faults, mut steps, close_at)| {
            steps.sort_by_key(|step| step.0);
            Run { seed, settings, faults, steps, close_at }
        },
    )
}

/// A remote side of which at most one thing is seen in a millisecond: what comes first is then no question.
struct Apart<R> {
    inner: R,
    taken: BTreeSet<Nanos>,
    sent: Vec<usize>,
}

impl<R> Apart<R> {
    fn next_free(&mut self, at: Nanos) -> Nanos {
        if at == Nanos::MAX {
            return at;
        }
        let mut at = at.next_multiple_of(MS);
        while !self.taken.insert(at) {
            at += MS;
        }
        at
    }
}

impl<R: Remote> Remote for Apart<R> {
    fn invoke(&mut self, call: Call, random: &mut StdRng) -> Invocation {
        self.sent.push(call.records);
        let mut invocation = self.inner.invoke(call, random);
        if invocation.on_wire > call.now {
            invocation.on_wire = self.next_free(invocation.on_wire);
        }
        invocation.at = self.next_free(invocation.at.max(invocation.on_wire));
        invocation
    }

    fn settle(&mut self) {}
}

impl Run {
    /// Returns the remote side, and the sources of the machine's and of its random numbers.
    fn remote(&self) -> (Apart<Faulty>, StdRng) {
        let faulty = Faulty { faults: self.faults.clone(), until: BUSY * MS, next: 0 };
        let apart = Apart { inner: faulty, taken: BTreeSet::new(), sent: Vec::new() };
        (apart, StdRng::seed_from_u64(self.seed))
    }

    fn steps_at(&self, ms: Nanos) -> impl Iterator<Item = (usize, Does)> {
        let steps = self.steps.iter().filter(move |step| step.0 == ms);
        steps.map(|(_, worker, does)| (*worker, *does))
    }

    fn simulated(&self) -> Vec<Seen> {
        let (remote, random) = self.remote();
        let mut bridge =
            Bridge::new(self.settings.clone(), remote, WORKERS, vec![Duration::ZERO], random);
        bridge.set_local_record_time(Duration::from_millis(1));
        let mut items: Vec<Arc<PendingRanges>> = Vec::new();
        let (mut seen, mut sent) = (Vec::new(), 0);
        for ms in 0..LENGTH {
            let now = ms * MS;
            bridge.advance(now);
            for (worker, does) in self.steps_at(ms) {
                let local_load = Rc::clone(bridge.local_load(worker, 0));
                match does {
                    Does::HandOver { records, warm_only, urgent } => {
                        let part = Part { warm_only, urgent, ..Part::new(0..records) };
                        let id = items.len() as u64;
                        items.push(Arc::clone(&part.pending));
                        if !bridge.is_closed() {
                            bridge.send(now, WorkItem { worker, stage: 0, id, part, local_load });
                        }
                    }
                    Does::Computes { item, records } => compute(&items, item, records),
                    Does::Load { waiting, rate } => local_load.set(waiting, Some(rate.into())),
                    Does::LeavesAllToTheRemoteSide => local_load.set_remote_only(),
                    Does::Expects { rate } => bridge.expect(0, rate.into()),
                }
            }
            if ms == self.close_at {
                bridge.close(now);
            }
            // What a worker computes, and its load, wake nobody.
            let wakes = |does: Does| matches!(does, Does::HandOver { .. } | Does::Expects { .. });
            if ms == self.close_at || self.steps_at(ms).any(|(_, does)| wakes(does)) {
                bridge.pump(now);
            }
            let mut replies = Vec::new();
            for worker in 0..WORKERS {
                while let Some(reply) = bridge.reply(worker) {
                    let range = reply.range;
                    replies.push((worker, reply.id, range.start, range.end, reply.is_done));
                }
            }
            let replies = merged(replies);
            let all = &bridge.service().sent;
            let (counters, offer) = (counted(bridge.counters()), bridge.offer(now));
            seen.push(Seen { counters, offer, sent: all[sent..].to_vec(), replies });
            sent = all.len();
        }
        seen
    }

    fn real(&self) -> Vec<Seen> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(self.in_paused_time())
    }

    async fn in_paused_time(&self) -> Vec<Seen> {
        let (mut remote, mut random) = self.remote();
        let of_machine = StdRng::from_rng(&mut random);
        let (tell, sent) = crossbeam_channel::unbounded();
        let timeout = self.settings.timeout;
        let course = move |now, records| {
            let _ = tell.send(records);
            let invocation =
                remote.invoke(Call { now, records, record: Duration::ZERO, timeout }, &mut random);
            let Invocation { on_wire, at, .. } = invocation;
            Course { on_wire, at, ended: invocation.ended(timeout) }
        };
        let began = Instant::now();
        let (bridge, remote_task) = modelled::start(self.settings.clone(), course, of_machine);
        remote_task.set_local_record_time(Duration::from_millis(1));
        let channels: Vec<_> = (0..WORKERS).map(|_| reply_channel(Arc::new(|| ()))).collect();
        let mut items: Vec<Arc<PendingRanges>> = Vec::new();
        let mut seen = Vec::new();
        for ms in 0..LENGTH {
            sleep_until(began + Duration::from_millis(ms)).await;
            settle().await;
            for (worker, does) in self.steps_at(ms) {
                let sender = &channels[worker].0;
                match does {
                    Does::HandOver { records, warm_only, urgent } => {
                        let (id, input) = (items.len() as u64, Arc::new(vec![7_u32; records]));
                        let item =
                            crate::bridge::WorkItem::new(id, input, 0..records, sender.clone());
                        let item = item.warm_only(warm_only).urgent(urgent);
                        items.push(Arc::clone(item.pending()));
                        let _ = remote_task.send(item);
                    }
                    Does::Computes { item, records } => compute(&items, item, records),
                    Does::Load { waiting, rate } => {
                        sender.local_load().set(waiting, Some(rate.into()));
                    }
                    Does::LeavesAllToTheRemoteSide => sender.local_load().set_remote_only(),
                    Does::Expects { rate } => remote_task.expect(rate.into()),
                }
            }
            if ms == self.close_at {
                bridge.close();
            }
            settle().await;
            let mut replies = Vec::new();
            for (worker, (_, receiver)) in channels.iter().enumerate() {
                while let Some(reply) = receiver.try_recv() {
                    let is_done = matches!(reply.outcome, Outcome::Done { .. });
                    let range = reply.range;
                    replies.push((worker, reply.id, range.start, range.end, is_done));
                }
            }
            let replies = merged(replies);
            // What the workers are told is as new as the last call of the admission.
            let counters = counted(bridge.counters());
            let (offer, sent) = (remote_task.offer(), sent.try_iter().collect());
            seen.push(Seen { counters, offer, sent, replies });
        }
        seen
    }

    fn check(&self) {
        let (simulated, real) = (self.simulated(), self.real());
        for (ms, (simulated, real)) in simulated.iter().zip(&real).enumerate() {
            assert_same(ms, simulated, real);
        }
    }
}

#[track_caller]
fn assert_same(ms: usize, simulated: &Seen, real: &Seen) {
    if simulated == real {
        return;
    }
    let (simulated, real) = (format!("{simulated:#?}"), format!("{real:#?}"));
    let differ: Vec<_> = simulated.lines().zip(real.lines()).filter(|(a, b)| a != b).collect();
    panic!("after {ms} ms, simulated and real: {differ:#?}");
}

/// A worker takes records out of a work item and computes them.
fn compute(items: &[Arc<PendingRanges>], item: usize, records: usize) {
    if let Some(pending) = items.get(item) {
        pending.take_front(records);
    }
}

/// Sorts replies and joins their ranges: a work item may be answered in several ones.
fn merged(mut replies: Vec<Range>) -> Vec<Range> {
    replies.sort_unstable();
    replies.dedup_by(|next, last| {
        let follows = (last.0, last.1, last.3, last.4) == (next.0, next.1, next.2, next.4);
        if follows {
            last.3 = next.3;
        }
        follows
    });
    replies
}

/// Lets everything happen that is due now.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// Returns the counters that both drivers count. How long the budget is spent or the breaker is open is known from the
/// next call on.
fn counted(counters: Counters) -> Counters {
    Counters {
        bytes_in: 0,
        bytes_out: 0,
        cpu_ns: 0,
        over_budget_us: 0,
        breaker_open_us: 0,
        records_done: 0,
        superseded: 0,
        ..counters
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
    ))]

    #[test]
    fn the_simulation_decides_what_the_bridge_decides(run in run()) {
        run.check();
    }
}
