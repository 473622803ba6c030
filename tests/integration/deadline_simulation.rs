//! What the deadline policy promises, in simulated time: the policy is the engine's, the bridge's
//! gate is the engine's, and nothing depends on this machine.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use floodway::batch::Nanos;
use floodway::bridge;
use floodway::internal::simulate::{
    Availability, Conditions, Lambda, Model, Outcome, Service, Spread, Stream,
};
use floodway::policy::{Deadline, Local, POLICIES, Policy, PolicyChoice};
use floodway::schedule::{Schedule, Shape, Trace};

const MS: Nanos = 1_000_000;
const RECORD: Duration = Duration::from_micros(12);
const DEADLINE: Duration = Duration::from_millis(200);
const NETWORK: Duration = Duration::from_millis(30);

/// What the worker does in a second.
fn mu() -> f64 {
    1e9 / RECORD.as_nanos() as f64
}

/// One worker, and rates in multiples of what it does: each from its second on, the last one the end.
fn model(rates: &[(f64, f64)]) -> Model {
    let rows: Vec<String> =
        rates.iter().map(|(from, rho)| format!("{from},{}\n", rho * mu())).collect();
    let trace: Trace = rows.concat().parse().unwrap();
    let schedule = Arc::new(Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0).unwrap());
    let service = Service::constant(RECORD);
    let events = schedule.count(schedule.end().unwrap());
    let stream = Stream::new(schedule, events, 1, 100 * MS, service.rate()).unwrap();
    let lambda = Lambda {
        network: NETWORK,
        cold_start: Duration::from_millis(150),
        concurrency: 1_000,
        record: RECORD,
        ..Lambda::default()
    };
    let bridge = bridge::Settings::default();
    let (deadline, max_backlog) = (DEADLINE, 500_000);
    Model { stream, workers: 1, service, deadline, max_backlog, bridge, lambda, seed: 1 }
}

/// A burst of `rho` from second 2 to 12 over half of what the worker does.
fn burst(rho: f64) -> Model {
    model(&[(0.0, 0.5), (2.0, rho), (12.0, 0.5), (14.0, 0.0)])
}

fn deadline(model: &Model) -> Outcome {
    let slack = model.deadline.as_nanos() as Nanos;
    model.run(true, || Box::new(Deadline::new(slack)) as Box<dyn Policy>)
}

fn local(model: &Model) -> Outcome {
    model.run(false, || Box::new(Local) as Box<dyn Policy>)
}

/// The share of what the optimum does at home.
fn home(model: &Model, outcome: &Outcome) -> f64 {
    outcome.local_of_optimum(&model.optimum())
}

fn describe(model: &Model, outcome: &Outcome) -> String {
    format!(
        "p50 {:.1} p99 {:.1} max {:.1}, in bursts p50 {:.1} p99 {:.1} max {:.1}, late {:.4}, \
         offloaded {:.4} (optimum {:.4}), home {:.4}, {:?}, requests {}, warm-ups {}, cold {}, \
         throttled {}, failed {}, backlog {}",
        outcome.latency.quantile_ms(0.5),
        outcome.latency.quantile_ms(0.99),
        outcome.latency.max_ms(),
        outcome.burst_latency.quantile_ms(0.5),
        outcome.burst_latency.quantile_ms(0.99),
        outcome.burst_latency.max_ms(),
        outcome.late_share(),
        outcome.offloaded_share(),
        model.optimum().offloaded_share(),
        home(model, outcome),
        outcome.counts,
        outcome.counters.requests,
        outcome.counters.warm_ups,
        outcome.counters.cold_starts,
        outcome.counters.throttled,
        outcome.counters.failed,
        outcome.peak_backlog,
    )
}

/// Ten seconds of four times what the worker does, over half of it.
#[test]
fn a_long_burst_meets_the_deadline_and_workers_stay_busy() {
    let model = burst(4.0);
    let outcome = deadline(&model);
    let what = describe(&model, &outcome);
    assert!(outcome.burst_latency.quantile_ms(0.99) <= 200.0, "{what}");
    assert!(home(&model, &outcome) >= 0.97, "{what}");
}

/// Bursts of half a second at four times what the worker does, each two seconds.
#[test]
fn a_train_of_short_bursts_meets_the_deadline() {
    let mut rates = vec![(0.0, 0.5)];
    for burst in 0..10 {
        let from = 2.0 + 2.0 * f64::from(burst);
        rates.extend([(from, 4.0), (from + 0.5, 0.5)]);
    }
    rates.push((23.0, 0.0));
    let model = model(&rates);
    let outcome = deadline(&model);
    let what = describe(&model, &outcome);
    assert!(outcome.burst_latency.quantile_ms(0.99) <= 200.0, "{what}");
    assert!(home(&model, &outcome) >= 0.93, "{what}");
}

/// The first record that home cannot do in time is the one that comes when the queue holds `mu·D`:
/// `D/(rho − 1)` after the onset. It goes when it has only the remote side's latency left.
#[test]
fn offloading_starts_at_the_last_safe_moment_and_ends_soon_after_the_burst() {
    for rho in [2.0, 4.0] {
        let model = burst(rho);
        let outcome = deadline(&model);
        let sent = &outcome.timeline.sent;
        let first = sent.iter().position(|sent| *sent > 0).unwrap() as f64;
        let last = sent.iter().rposition(|sent| *sent > 0).unwrap() as f64;
        let latency = model.lambda.least(model.bridge.batch_records) + model.bridge.linger;
        let deadline = DEADLINE.as_secs_f64() * 1e3;
        let expected = deadline / (rho - 1.0) + deadline - latency.as_secs_f64() * 1e3;
        let what =
            format!("{} ms, not {expected}: {}", first - 2_000.0, describe(&model, &outcome));
        assert!((first - 2_000.0 - expected).abs() <= 10.0, "{what}");
        assert!(last <= 12_000.0 + deadline, "{last}: {what}");
    }
}

/// At twice what the worker does, from its second second on, as much goes in each tenth of a second.
#[test]
fn the_offloaded_share_does_not_oscillate() {
    let model = model(&[(0.0, 2.0), (10.0, 0.0)]);
    let outcome = deadline(&model);
    let tenths: Vec<u32> =
        outcome.timeline.sent[1_000..9_900].chunks(100).map(|ticks| ticks.iter().sum()).collect();
    let mean = tenths.iter().sum::<u32>() as f64 / tenths.len() as f64;
    let variance = tenths.iter().map(|sent| (f64::from(*sent) - mean).powi(2)).sum::<f64>();
    let deviation = (variance / tenths.len() as f64).sqrt() / mean;
    let what = format!("{tenths:?}: {}", describe(&model, &outcome));
    assert!((mean / (0.1 * mu()) - 1.0).abs() < 0.05, "{mean}: {what}");
    assert!(deviation <= 0.15, "{deviation}: {what}");
}

/// The work becomes five times as dear, and later as cheap as before: within a second nothing that
/// comes is late any more.
#[test]
fn a_change_of_cost_per_record_is_followed_within_a_second() {
    let mut model = model(&[(0.0, 0.8), (9.0, 0.0)]);
    model.service.changes = vec![(3_000 * MS, 5.0), (6_000 * MS, 1.0)];
    let outcome = deadline(&model);
    let late = &outcome.timeline.late;
    let between = |from: usize, to: usize| -> u32 { late.iter().skip(from).take(to - from).sum() };
    let what = describe(&model, &outcome);
    let second = 0.8 * mu();
    assert_eq!(between(0, 2_700), 0, "{what}");
    for (from, to) in [(4_000, 5_000), (5_000, 5_800), (7_000, 9_000)] {
        let late = f64::from(between(from, to)) / second;
        assert!(late <= 0.01, "{late} of those of {from} to {to} ms: {what}");
    }
}

/// Whatever becomes of the remote side in the middle of a burst, nobody waits longer than without one.
#[test]
fn a_failing_remote_side_is_not_worse_than_none() {
    let fine = Conditions::default();
    let model = |conditions| {
        let mut model = model(&[(0.0, 0.5), (1.0, 3.0), (5.0, 0.5), (24.0, 0.0)]);
        // The worker's queue stays below the source's bound, which would make its latency another one.
        model.max_backlog = 1_000_000;
        model.lambda.conditions = vec![(2_000 * MS, conditions)];
        model.lambda.concurrency = 10;
        model
    };
    let alone = local(&model(fine));
    for (name, conditions) in [
        ("slower", Conditions { slower: 10.0, ..fine }),
        // What has to go, at twice what the worker does, keeps two environments busy.
        ("throttled", Conditions { quota: 0.1, ..fine }),
        ("unreachable", Conditions { availability: Availability::Unreachable, ..fine }),
        ("hangs", Conditions { availability: Availability::Hangs, ..fine }),
    ] {
        let model = model(conditions);
        let outcome = deadline(&model);
        let what = format!("{name}: {}", describe(&model, &outcome));
        for quantile in [0.5, 0.99, 0.999, 1.0] {
            let (with, without) =
                (outcome.latency.quantile_ms(quantile), alone.latency.quantile_ms(quantile));
            assert!(with <= without * 1.1 + 1.0, "{quantile}: {with} {without}: {what}");
        }
        let seen = match name {
            "slower" => outcome.late > 0,
            "throttled" => outcome.counters.throttled > 0,
            _ => outcome.counters.failed > 0,
        };
        assert!(seen, "the conditions have an effect: {what}");
    }
}

/// Times that are spread, on both sides.
#[test]
fn the_deadline_is_met_with_variable_request_times_too() {
    let mut model = burst(4.0);
    model.service.spread = Spread::Exponential;
    model.lambda.spread = Spread::Lognormal(0.3);
    let outcome = deadline(&model);
    let what = describe(&model, &outcome);
    assert!(outcome.burst_latency.quantile_ms(0.99) <= 200.0, "{what}");
    assert!(home(&model, &outcome) >= 0.95, "{what}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes and whatever the policy: no record is lost, and workers do not more in time than
    /// the clairvoyant optimum does at home.
    #[test]
    fn no_policy_beats_the_optimum(
        rows in prop::collection::vec((0.0..6.0_f64, 0.02..1.0_f64), 1..8),
        (workers, record_us, slack_ms) in (1..4_usize, 3..60_u64, 10..400_u64),
        (network_ms, concurrency, failure_rate) in (1..120_u64, 1..50_usize, 0.0..0.3_f64),
        (policy, share, seed) in (0..POLICIES.len(), 0.3..1.5_f64, any::<u64>()),
    ) {
        let service = Service::constant(Duration::from_micros(record_us));
        let capacity = service.rate() * workers as f64;
        let (mut text, mut at) = (String::new(), 0.0);
        for (rho, length) in &rows {
            text += &format!("{at},{}\n", rho * capacity);
            at += length;
        }
        text += &format!("{at},0\n");
        let trace: Trace = text.parse().unwrap();
        let end = trace.end();
        let Ok(schedule) = Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0) else { return Ok(()) };
        let events = schedule.count(end);
        let Some(stream) = Stream::new(Arc::new(schedule), events, workers, 100 * MS, capacity)
        else { return Ok(()) };
        let lambda = Lambda {
            network: Duration::from_millis(network_ms),
            concurrency,
            failure_rate,
            record: service.record,
            ..Lambda::default()
        };
        let deadline = Duration::from_millis(slack_ms);
        let (bridge, max_backlog) = (bridge::Settings::default(), 100_000);
        let model =
            Model { stream, workers, service, deadline, max_backlog, bridge, lambda, seed };
        let policy = POLICIES[policy];
        let threshold = policy.needs_threshold().then_some(share * capacity);
        let choice = PolicyChoice::new(policy, threshold).unwrap();
        let epoch = Duration::from_millis(100);
        let outcome = model.run(policy.needs_remote(), || choice.make(epoch, deadline, workers));
        prop_assert_eq!(outcome.counts.done(), events);
        prop_assert_eq!(outcome.latency.len(), events);
        let optimum = model.optimum();
        let local = outcome.local_in_time as f64;
        prop_assert!(local <= optimum.local + workers as f64, "{local} of {optimum:?}");
    }
}
