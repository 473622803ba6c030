//! Explores the request machine: whole runs in simulated time, with workers and policies, against a remote side
//! that misbehaves in every way. After each step it is checked that nothing is lost, answered twice or counted
//! wrong. A run is made of a scenario and a seed only, so a failing one can be repeated; it is made smaller
//! before it is printed, and kept in `proptest-regressions/`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::bridge::Bridge;
use super::faulty::{Fault, Faulty, MS, fault};
use super::item::WorkItem;
use super::{Lambda, Model, Outcome, Service, Stage, Stream};
use crate::batch::Nanos;
use crate::bridge::breaker::{self, State};
use crate::bridge::core::Part;
use crate::bridge::{CostLimits, Settings};
use crate::cost::Cost;
use crate::policy::{self, Policy};
use crate::schedule::{Schedule, Shape};

/// Longest time between the last fault and the answer to a probe: the longest wait between probes, and the
/// timeout of one that was sent before.
const RECOVERY: Nanos = 100 * MS;

#[derive(Clone, Debug)]
struct Scenario {
    seed: u64,
    workers: usize,
    policy: usize,
    /// The rate of the stream, in multiples of what the workers do.
    load: f64,
    /// What happens to one attempt after the other, over and over, until this many milliseconds have passed.
    faults: Vec<Fault>,
    faults_ms: u64,
    /// When the bridge is closed, if it is.
    close_ms: Option<u64>,
    attempts: u32,
    batch: usize,
    max_in_flight: usize,
    linger_ms: u64,
    hedge: f64,
    probes_at_start: bool,
    warm_up: bool,
    /// How many attempts the budget covers.
    budget: Option<f64>,
    /// Whether workers cannot compute the records. Then there is no budget, and the bridge is not closed: there
    /// would be records that nobody does.
    is_call: bool,
    requests_per_second: Option<u32>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let run = (any::<u64>(), 1..=4_usize, 0..4_usize, 0.5..4.0_f64);
    let remote = (
        prop::collection::vec(fault(), 1..20),
        0..100_u64,
        proptest::option::weighted(0.3, 0..250_u64),
    );
    let settings =
        (1..5_u32, 1..40_usize, 1..20_usize, 1..5_u64, prop_oneof![Just(0.0), Just(0.5)]);
    let more = (
        any::<bool>(),
        any::<bool>(),
        proptest::option::weighted(0.3, 1.0..20.0_f64),
        prop::bool::weighted(0.3),
        proptest::option::weighted(0.3, 1..100_u32),
    );
    (run, remote, settings, more).prop_map(|(run, remote, settings, more)| {
        let (seed, workers, policy, load) = run;
        let (faults, faults_ms, close_ms) = remote;
        let (attempts, batch, max_in_flight, linger_ms, hedge) = settings;
        let (probes_at_start, warm_up, budget, is_call, requests_per_second) = more;
        Scenario {
            seed,
            workers,
            policy,
            load,
            faults,
            faults_ms,
            close_ms: close_ms.filter(|_| !is_call),
            attempts,
            batch,
            max_in_flight,
            linger_ms,
            hedge,
            probes_at_start,
            warm_up,
            budget: budget.filter(|_| !is_call),
            is_call,
            // Where all records wait for it, it is enough for them within some seconds.
            requests_per_second: requests_per_second.map(|most| match is_call || policy == 0 {
                true => most.max(2_000 / batch as u32),
                false => most,
            }),
        }
    })
}

impl Scenario {
    fn settings(&self) -> Settings {
        let ms = Duration::from_millis;
        let cost = Cost::default();
        let total = self.budget.map(|attempts| attempts * cost.usd(1, 10.0));
        Settings {
            batch_records: self.batch,
            linger: ms(self.linger_ms),
            is_only_side: self.is_call,
            requests_per_second: self.requests_per_second,
            max_in_flight: self.max_in_flight,
            initial_in_flight: self.max_in_flight.min(10),
            timeout: ms(40),
            attempts: self.attempts,
            backoff: ms(10),
            throttle_backoff: ms(5),
            max_backoff: ms(20),
            first_latency: ms(5),
            overdue_after: ms(10),
            hedge: self.hedge,
            breaker: breaker::Settings { failures: 5, initial_wait: 5 * MS, max_wait: 20 * MS },
            probes_at_start: self.probes_at_start,
            warm_up: self.warm_up.then_some(0.8),
            cost,
            cost_limits: CostLimits { total, per_hour: None },
            ..Settings::default()
        }
    }

    fn model(&self) -> Model {
        let service = Service::constant(Duration::from_millis(1));
        let rate = self.load * service.rate() * self.workers as f64;
        let end = self.faults_ms * MS + RECOVERY + 30 * MS;
        let schedule = Arc::new(Schedule::new(Shape::Constant, rate, rate, 1_000 * MS).unwrap());
        let events = schedule.count(end).max(1);
        let capacity = service.rate() * self.workers as f64;
        let stream = Stream::new(schedule, events, self.workers, 10 * MS, capacity).unwrap();
        Model {
            stream,
            workers: self.workers,
            stages: vec![Stage::new(service, Duration::ZERO)],
            deadline: Duration::from_millis(50),
            max_backlog: 1_000,
            bridge: self.settings(),
            lambda: Lambda::default(),
            seed: self.seed,
        }
    }

    fn policy(&self) -> Box<dyn Policy> {
        let capacity = 1_000.0 * self.workers as f64;
        match self.policy {
            // The burst operator does the same.
            _ if self.is_call => Box::new(policy::Remote),
            0 => Box::new(policy::Remote),
            1 => Box::new(policy::Deadline::new(50 * MS)),
            2 => Box::new(policy::Spill::new(capacity, 10 * MS, self.workers)),
            _ => Box::new(policy::Threshold::new(capacity)),
        }
    }

    fn run(&self) -> (Model, Outcome, Bridge<Faulty>) {
        let model = self.model();
        let until = self.faults_ms * MS;
        let faulty = Faulty { faults: self.faults.clone(), until, next: 0 };
        let close_at = self.close_ms.map_or(Nanos::MAX, |ms| ms * MS);
        let until = model.stream.end() + 60_000 * MS;
        let (outcome, bridge) = model.run_with(Some(faulty), close_at, until, || self.policy());
        (model, outcome, bridge.unwrap())
    }

    /// Runs it, and checks what holds at its end. The bridge checks what holds after each step.
    fn check(&self) {
        let (model, outcome, mut bridge) = self.run();
        assert_eq!(outcome.counts.done(), model.stream.events(), "each record has one result");
        bridge.drain();
        assert_eq!(bridge.counters().in_flight, 0);
        assert!(bridge.is_idle(), "nothing waits, and no attempt goes on");
        if self.is_call {
            let counts = &outcome.counts;
            assert_eq!(counts.remote + counts.bad, counts.done(), "no worker computes a call");
        }
        // A limit on requests a second delays probes until workers have computed all records.
        let is_limited = self.requests_per_second.is_some() && !self.is_call;
        let is_sent_to = self.close_ms.is_none() && self.budget.is_none() && !is_limited;
        // The other policies may have nothing to send at the end.
        if is_sent_to && (self.policy == 0 || self.is_call) {
            let recovered = self.faults_ms * MS + RECOVERY;
            assert_eq!(bridge.breaker(), State::Closed, "it has recovered");
            assert!(bridge.delivered_at() >= recovered, "results come again");
        } else if is_sent_to {
            assert!(!matches!(bridge.breaker(), State::Open(_)), "a probe has been answered");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
    ))]

    #[test]
    fn every_record_has_one_result_whatever_the_remote_side_does(scenario in scenario()) {
        scenario.check();
    }
}

/// Found by the test above: a retry was sent although other attempts had spent the budget during its backoff.
#[test]
fn a_retry_keeps_the_budget() {
    let faults = vec![
        Fault::Nothing,
        Fault::Nothing,
        Fault::TooLong { records: 0 },
        Fault::Nothing,
        Fault::ServiceError,
        Fault::ServiceError,
        Fault::NotValid,
        Fault::Nothing,
        Fault::NoRoom,
        Fault::ServiceError,
    ];
    let scenario = Scenario {
        seed: 4142943309030880280,
        workers: 3,
        policy: 1,
        load: 3.3239342152675286,
        faults,
        faults_ms: 52,
        close_ms: None,
        attempts: 2,
        batch: 24,
        max_in_flight: 4,
        linger_ms: 1,
        hedge: 0.0,
        probes_at_start: true,
        warm_up: false,
        budget: Some(5.903768755448881),
        is_call: false,
        requests_per_second: None,
    };
    scenario.check();
}

/// Found by the test above: a retry was sent, and then an attempt that timed out at the same time was billed.
#[test]
fn what_times_out_is_billed_before_a_retry_that_is_due_at_the_same_time() {
    let faults = vec![
        Fault::Nothing,
        Fault::NotValid,
        Fault::NeverOnWire,
        Fault::Nothing,
        Fault::TooLong { records: 0 },
        Fault::Hangs,
        Fault::TooLong { records: 0 },
        Fault::Nothing,
        Fault::NoRoom,
        Fault::Nothing,
        Fault::TooLong { records: 1 },
        Fault::Reset,
        Fault::NoRoom,
    ];
    let scenario = Scenario {
        seed: 4686833192112232534,
        workers: 1,
        policy: 2,
        load: 3.485025062015103,
        faults,
        faults_ms: 49,
        close_ms: None,
        attempts: 2,
        batch: 4,
        max_in_flight: 9,
        linger_ms: 1,
        hedge: 0.0,
        probes_at_start: false,
        warm_up: false,
        budget: Some(6.729152718061404),
        is_call: false,
        requests_per_second: None,
    };
    scenario.check();
}

/// Found by the test above: others had no room.
#[test]
fn what_a_worker_has_computed_leaves_the_queue_although_nothing_may_be_sent() {
    let settings = Settings { probes_at_start: false, ..Settings::default() };
    let faulty = Faulty { faults: vec![Fault::Nothing], until: 0, next: 0 };
    let mut bridge =
        Bridge::new(settings, faulty, 1, vec![Duration::ZERO], StdRng::seed_from_u64(1));
    let room = bridge.offer(0).room;
    // No environment is warm.
    let part = Part { warm_only: true, ..Part::new(0..100) };
    let (pending, local_load) = (Arc::clone(&part.pending), Rc::clone(bridge.local_load(0, 0)));
    bridge.send(0, WorkItem { worker: 0, stage: 0, id: 0, part, local_load });
    bridge.pump(MS);
    assert_eq!(bridge.offer(MS).room, room - 100);
    assert_eq!(pending.take_front(100), Some(0..100));
    bridge.pump(2 * MS);
    assert_eq!(bridge.offer(2 * MS).room, room);
}
