//! What the deadline policy promises, in simulated time. The simulation runs the engine's own policy and request
//! machine, and nothing depends on this machine. `docs/simulate.md` has the figures.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use floodway::batch::Nanos;
use floodway::bridge;
use floodway::internal::simulate::{
    Availability, Conditions, Lambda, Model, Outcome, Service, Spread, Stage, Stream,
    events_per_second,
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
        ..Lambda::default()
    };
    let bridge = bridge::Settings::default();
    let (deadline, max_backlog) = (DEADLINE, 500_000);
    let stages = vec![Stage::new(service, RECORD)];
    Model { stream, workers: 1, stages, deadline, max_backlog, bridge, lambda, seed: 1 }
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

/// The work that workers did in time, as a share of what the optimum does locally.
fn of_optimum(model: &Model, outcome: &Outcome) -> f64 {
    outcome.local_of_optimum(&model.optimum()).unwrap()
}

/// The p99 of the records that were scheduled in a burst, as the tables in `docs/simulate.md` have it.
fn burst_p99(outcome: &Outcome) -> String {
    format!("{:.0} ms", outcome.burst_latency.quantile_ms(0.99))
}

/// Asserts that a row of a table in `docs/simulate.md` begins with `case` and ends with `result`.
fn assert_documented(case: &str, result: &str) {
    let tables = include_str!("../../docs/simulate.md").lines();
    let row = tables.filter_map(|row| row.strip_prefix("| ")?.strip_suffix(" |"));
    let row = row.map(|row| row.split(" | ").collect::<Vec<_>>()).find(|row| row[0] == case);
    let documented = row.as_ref().and_then(|row| row.last()).copied();
    assert_eq!(documented, Some(result), "docs/simulate.md, the row `{case}`");
}

fn describe(model: &Model, outcome: &Outcome) -> String {
    format!(
        "p50 {:.1} p99 {:.1} max {:.1}, in bursts p50 {:.1} p99 {:.1} max {:.1}, late {:.4}, \
         offloaded {:.4} (optimum {:.4}), of optimum {:.4}, {:?}, requests {}, warm-ups {}, cold {}, \
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
        of_optimum(model, outcome),
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
    assert!(of_optimum(&model, &outcome) >= 0.97, "{what}");
    assert_documented("10 s at 4 µ over 0.5 µ: p99 in the burst", &burst_p99(&outcome));
    let share = format!("{:.2} %", 100.0 * of_optimum(&model, &outcome));
    assert_documented("10 s at 4 µ over 0.5 µ: done locally, of the optimum", &share);
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
    assert!(of_optimum(&model, &outcome) >= 0.93, "{what}");
    assert_documented("bursts of 0.5 s at 4 µ: p99 in the bursts", &burst_p99(&outcome));
    let share = format!("{:.2} %", 100.0 * of_optimum(&model, &outcome));
    assert_documented("bursts of 0.5 s at 4 µ: done locally, of the optimum", &share);
}

/// The first record that the worker cannot do in time is the one that comes when the queue holds `mu·D`: `D/(rho − 1)`
/// after the onset. It is sent when it has only the remote side's latency left.
#[test]
fn offloading_starts_at_the_last_safe_moment_and_ends_soon_after_the_burst() {
    let (mut early, mut after) = (Vec::new(), Vec::new());
    for rho in [2.0, 4.0] {
        let model = burst(rho);
        let outcome = deadline(&model);
        let sent = &outcome.timeline.sent;
        let first = sent.iter().position(|sent| *sent > 0).unwrap() as f64;
        let last = sent.iter().rposition(|sent| *sent > 0).unwrap() as f64;
        let latency = model.lambda.least(model.bridge.batch_records, RECORD) + model.bridge.linger;
        let deadline = DEADLINE.as_secs_f64() * 1e3;
        let expected = deadline / (rho - 1.0) + deadline - latency.as_secs_f64() * 1e3;
        let what =
            format!("{} ms, not {expected}: {}", first - 2_000.0, describe(&model, &outcome));
        assert!((first - 2_000.0 - expected).abs() <= 10.0, "{what}");
        assert!(last <= 12_000.0 + deadline, "{last}: {what}");
        early.push(format!("{:.0}", 2_000.0 + expected - first));
        after.push(format!("{:.0}", last - 12_000.0));
    }
    let row = "first record sent before D/(ρ − 1) + D − L (ρ = 2 and 4)";
    assert_documented(row, &format!("{} ms", early.join(" and ")));
    let row = "last record sent after the end of the burst (ρ = 2 and 4)";
    assert_documented(row, &format!("{} ms", after.join(" and ")));
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
    let row = "constant 2 µ: deviation of what is sent in 100 ms";
    assert_documented(row, &format!("{:.0} %", 100.0 * deviation));
}

/// The work becomes five times as expensive, and later as cheap as before: no record that comes more than a second
/// after the change is late.
#[test]
fn a_change_of_cost_per_record_is_followed_within_a_second() {
    let mut model = model(&[(0.0, 0.8), (9.0, 0.0)]);
    model.stages[0].service.changes = vec![(3_000 * MS, 5.0), (6_000 * MS, 1.0)];
    let outcome = deadline(&model);
    let late = &outcome.timeline.late;
    let between = |from: usize, to: usize| -> u32 { late.iter().skip(from).take(to - from).sum() };
    let what = describe(&model, &outcome);
    let second = 0.8 * mu();
    assert_eq!(between(0, 2_700), 0, "{what}");
    let mut all = 0;
    for (from, to) in [(4_000, 5_000), (5_000, 5_800), (7_000, 9_000)] {
        all += between(from, to);
        let late = f64::from(between(from, to)) / second;
        assert!(late <= 0.01, "{late} of those of {from} to {to} ms: {what}");
    }
    let row = "the work becomes five times as expensive in mid-run, and cheap again";
    assert_documented(row, &format!("{all} records late after that"));
}

/// Whatever becomes of the remote side in the middle of a burst, no record waits longer than without a remote side.
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
    let p99 = |outcome: &Outcome| format!("{:.1}", outcome.latency.quantile_ms(0.99) / 1e3);
    let mut all = Vec::new();
    for (name, conditions) in [
        ("slower", Conditions { slower: 10.0, ..fine }),
        // What has to be sent, at twice what the worker does, keeps two environments busy.
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
        all.push(p99(&outcome));
    }
    let row =
        "remote side 10 times slower, with a tenth of its quota, unreachable, hanging in mid-burst";
    let all = format!("p99 {} s; `local` {} s", all.join(", "), p99(&alone));
    assert_documented(row, &all);
}

/// Times that are spread, on both sides.
#[test]
fn the_deadline_is_met_with_variable_request_times_too() {
    let mut model = burst(4.0);
    model.stages[0].service.spread = Spread::Exponential;
    model.lambda.spread = Spread::Lognormal(0.3);
    let outcome = deadline(&model);
    let what = describe(&model, &outcome);
    assert!(outcome.burst_latency.quantile_ms(0.99) <= 200.0, "{what}");
    assert!(of_optimum(&model, &outcome) >= 0.95, "{what}");
    let row = "exponential service, lognormal (0.3) requests: p99 in the burst";
    assert_documented(row, &burst_p99(&outcome));
}

/// A chain of stages at three times what the worker does: the policy sends at the stage where a dollar saves the most
/// time, as much as the optimum does, and keeps the deadline.
#[test]
fn of_a_chain_the_stage_is_sent_that_saves_the_most_time_for_a_dollar() {
    let stage = |records, us| {
        let record = Duration::from_micros(us);
        Stage { records, service: Service::constant(record), remote: record }
    };
    for (chain, stages, dearest) in [
        ("10 µs, then three of 30 µs", [stage(1.0, 10), stage(3.0, 30)], 0),
        ("40 µs, then two of 5 µs", [stage(1.0, 40), stage(2.0, 5)], 1),
    ] {
        let trace: Trace = "0,30000\n10,0\n".parse().unwrap();
        let schedule = Arc::new(Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0).unwrap());
        let capacity = events_per_second(&stages);
        let stream = Stream::new(schedule, 300_000, 1, 100 * MS, capacity).unwrap();
        let model = Model { stream, stages: stages.to_vec(), ..burst(1.0) };
        let outcome = deadline(&model);
        let optimum = model.optimum();
        assert_eq!(optimum.stages[dearest].offloaded, 0.0, "{chain}");
        for (of, best) in outcome.stages.iter().zip(&optimum.stages) {
            let share = of.remote as f64 / of.records as f64;
            let best = best.offloaded / (best.local + best.offloaded);
            assert!((share - best).abs() < 0.03, "{chain}: {:?} of {optimum:?}", outcome.stages);
        }
        assert!(outcome.latency.quantile_ms(0.99) <= 200.0, "{chain}");
        assert!(outcome.usd <= 1.15 * optimum.usd, "{chain}: {} of {}", outcome.usd, optimum.usd);
    }
}

/// Where the policy cannot keep the deadline, how many records are late is documented.
#[test]
fn many_failures_and_long_cold_starts_make_as_many_records_late_as_documented() {
    for percent in [2, 5, 10] {
        let mut model = burst(4.0);
        model.lambda.failure_rate = f64::from(percent) / 100.0;
        let outcome = deadline(&model);
        let result = format!("{:.1} %, {}", 100.0 * outcome.late_share(), burst_p99(&outcome));
        assert_documented(&format!("{percent} % of the invocations fail"), &result);
    }
    for cold_start in [300, 500, 1_000] {
        let mut model = burst(4.0);
        model.lambda.cold_start = Duration::from_millis(cold_start);
        let outcome = deadline(&model);
        let result = format!("{:.1} %, {}", 100.0 * outcome.late_share(), burst_p99(&outcome));
        assert_documented(&format!("a cold start takes {cold_start} ms"), &result);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, whatever the graph and the policy: no record is lost, and no policy costs less than the optimum
    /// of the deadline that it has kept. With one stage, workers do not more in time than the optimum does locally.
    #[test]
    fn no_policy_beats_the_optimum(
        rows in prop::collection::vec((0.0..6.0_f64, 0.02..1.0_f64), 1..8),
        (workers, slack_ms) in (1..4_usize, 10..400_u64),
        services in prop::collection::vec((1..4_u32, 3..60_u64, 0.3..3.0_f64), 1..4),
        (network_ms, concurrency, failure_rate) in (1..120_u64, 1..50_usize, 0.0..0.3_f64),
        (policy, share, seed) in (0..POLICIES.len(), 0.3..1.5_f64, any::<u64>()),
    ) {
        let stage = |(at, &(records, record_us, remote)): (usize, &(u32, u64, f64))| {
            let record = Duration::from_micros(record_us);
            let records = if at == 0 { 1.0 } else { f64::from(records) };
            Stage { records, service: Service::constant(record), remote: record.mul_f64(remote) }
        };
        let stages: Vec<Stage> = services.iter().enumerate().map(stage).collect();
        let results: f64 = stages.iter().map(|stage| stage.records).product();
        let capacity = events_per_second(&stages) * workers as f64;
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
            ..Lambda::default()
        };
        let deadline = Duration::from_millis(slack_ms);
        let (bridge, max_backlog) = (bridge::Settings::default(), 100_000);
        let model =
            Model { stream, workers, stages, deadline, max_backlog, bridge, lambda, seed };
        let policy = POLICIES[policy];
        let threshold = policy.needs_threshold().then_some(share * capacity);
        let choice = PolicyChoice::new(policy, threshold).unwrap();
        let epoch = Duration::from_millis(100);
        let outcome = model.run(policy.needs_remote(), || choice.make(epoch, deadline, workers));
        prop_assert_eq!(outcome.counts.done() as f64, events as f64 * results);
        prop_assert_eq!(outcome.latency.len(), outcome.counts.done());
        if model.stages.len() == 1 {
            let optimum = model.optimum();
            let local = outcome.local_in_time as f64;
            prop_assert!(local <= optimum.local + workers as f64, "{local} of {optimum:?}");
        }
        // The latencies are rounded, and the optimum fills the last request of each stage of its own.
        let kept = Duration::from_secs_f64(outcome.latency.max_ms() * 1.02 / 1e3 + 2e-3);
        let usd = Model { deadline: kept, ..model.clone() }.optimum().usd;
        let request = model.bridge.cost.usd(1, 1.0);
        prop_assert!(
            outcome.usd + request * model.stages.len() as f64 >= usd,
            "{} for a deadline of {kept:?}, where the optimum costs {usd}",
            outcome.usd
        );
    }
}
