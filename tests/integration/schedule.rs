//! Schedules: every shape follows its rate's integral, and all ways to ask agree.

use floodway::batch::{Nanos, Span};
use floodway::schedule::{Schedule, ScheduleError, Shape};
use proptest::prelude::*;

const SECOND: Nanos = 1_000_000_000;

fn schedule(shape: Shape, rate: f64, peak: f64, period: Nanos) -> Schedule {
    Schedule::new(shape, rate, peak, period).unwrap()
}

/// Events in each of the first seconds.
fn per_second(schedule: &Schedule, seconds: u64) -> Vec<u64> {
    (0..seconds)
        .map(|second| schedule.count((second + 1) * SECOND) - schedule.count(second * SECOND))
        .collect()
}

#[test]
fn each_shape_has_its_counts_per_second() {
    let of = |shape: &str, seconds| {
        let shape = match shape {
            "constant" => Shape::Constant,
            "square" => Shape::Square,
            "step" => Shape::Step,
            "spike" => Shape::Spike,
            trace => Shape::Trace(trace.parse().unwrap()),
        };
        per_second(&schedule(shape, 1_000.0, 10_000.0, 10 * SECOND), seconds)
    };
    let (low, high) = (1_000, 10_000);
    assert_eq!(of("constant", 12), [low; 12]);
    assert_eq!(of("square", 20), [[low; 5], [high; 5], [low; 5], [high; 5]].concat());
    assert_eq!(of("step", 12), [vec![low; 10], vec![high; 2]].concat());
    let spike = [vec![low, high], vec![low; 8]].concat();
    assert_eq!(of("spike", 20), [spike.clone(), spike].concat());
    // Event 3 is due at 1 s, where the integral reaches 3, and event 4 at 4 s.
    assert_eq!(of("0,3\n1,0\n2,0.5\n4,7\n6,0", 8), [3, 1, 0, 0, 7, 7, 0, 0]);
}

#[test]
fn a_sine_follows_the_curve() {
    use std::f64::consts::PI;
    let (low, high, period) = (1_000.0, 10_000.0, 10.0);
    let sine = schedule(Shape::Sine, low, high, 10 * SECOND);
    let integral = |t: f64| {
        (low + high) / 2.0 * t - (high - low) * period / (4.0 * PI) * (2.0 * PI * t / period).sin()
    };
    assert_eq!(sine.count(10 * SECOND), 55_000);
    for n in (1..110_000).step_by(97) {
        let time = sine.time(n).unwrap() as f64 / 1e9;
        let late = (integral(time) - n as f64) / sine.rate((time * 1e9) as Nanos);
        assert!(late.abs() < 1.2e-6, "event {n} is {late} s from the curve");
    }
    let down = schedule(Shape::Sine, high, low, 10 * SECOND);
    assert_eq!(down.count(10 * SECOND), 55_000);
    assert!(down.rate(0) > 9_999.0 && down.rate(5 * SECOND) < 1_001.0);
}

#[test]
fn duration_and_rate_give_exactly_their_product() {
    let schedule = schedule(Shape::Constant, 100_000.0, 0.0, 0);
    assert_eq!(schedule.count(10 * SECOND), 1_000_000);
    assert_eq!(schedule.time(999_999), Some(10 * SECOND - 10_000));
}

#[test]
fn event_times_do_not_drift_in_a_long_stream() {
    // 10¹² events at 3 M/s: four days. The exact time is 10¹² / 3·10⁶ s, rounded up.
    let schedule = schedule(Shape::Constant, 3e6, 0.0, 0);
    assert_eq!(schedule.time(1_000_000_000_000), Some(333_333_333_333_334));
    let mut cursor = schedule.cursor(1_000_000_000_000 - 5);
    assert_eq!(cursor.nth(5), Some(333_333_333_333_334));
}

#[test]
fn periods_without_events_are_skipped() {
    let silent_first = schedule(Shape::Square, 0.0, 10.0, 2 * SECOND);
    let times: Vec<_> = silent_first.cursor(0).take(12).collect();
    assert_eq!(times[..3], [0, 11 * SECOND / 10, 12 * SECOND / 10]);
    assert_eq!(times[10..], [2 * SECOND, 31 * SECOND / 10]);
    assert_eq!(silent_first.run(0, 100), 1);
    assert_eq!(silent_first.run(1, 100), 10);

    let silent_later = schedule(Shape::Step, 10.0, 0.0, SECOND);
    assert_eq!(silent_later.time(10), Some(SECOND));
    assert_eq!(silent_later.time(11), None);
    assert_eq!(silent_later.count(Nanos::MAX), 11);
}

#[test]
fn a_trace_ends_before_its_last_row() {
    let trace = schedule(Shape::Trace("0,10\n2,10".parse().unwrap()), 0.0, 0.0, 0);
    assert_eq!(trace.count(Nanos::MAX), 20);
    assert_eq!(trace.time(19), Some(19 * SECOND / 10));
    assert_eq!(trace.time(20), None);
    assert_eq!(trace.cursor(0).count(), 20);
    assert_eq!(trace.run(15, 100), 5);
    assert_eq!(trace.run(20, 100), 0);
    assert_eq!(trace.rate(2 * SECOND), 0.0);
}

#[test]
fn an_invalid_schedule_is_refused() {
    let new = |shape, rate, peak, period| Schedule::new(shape, rate, peak, period).unwrap_err();
    assert_eq!(new(Shape::Constant, 0.0, 5.0, SECOND), ScheduleError::Silent);
    assert_eq!(new(Shape::Square, 1.0, 2.0, 10), ScheduleError::Period(10));
    assert!(matches!(
        new(Shape::Sine, 1.0, f64::NAN, SECOND),
        ScheduleError::Rate { which: "peak rate", .. }
    ));
    assert!(matches!(
        new(Shape::Constant, -1.0, 0.0, 0),
        ScheduleError::Rate { which: "rate", .. }
    ));
}

/// Any schedule: rates from one event in hours to one a nanosecond, silences, odd periods.
fn any_schedule() -> impl Strategy<Value = Schedule> {
    let rate = || prop_oneof![Just(0.0), 1e-4..1.0, 1.0..1e4, 1e4..1e9];
    let period = prop_oneof![1_000u64..100_000, 1_000_000..100_000_000_000u64];
    let rows = proptest::collection::vec((1u64..5_000_000_000, rate()), 1..8);
    (0..6, rate(), rate(), period, rows).prop_filter_map("silent", |(shape, r, p, period, rows)| {
        let shape = match shape {
            0 => Shape::Constant,
            1 => Shape::Square,
            2 => Shape::Sine,
            3 => Shape::Step,
            4 => Shape::Spike,
            _ => {
                let mut text = format!("0,{r}\n");
                let mut at = 0;
                for (length, rate) in rows {
                    at += length;
                    text += &format!("{}.{:09},{rate}\n", at / SECOND, at % SECOND);
                }
                Shape::Trace(text.parse().unwrap())
            }
        };
        Schedule::new(shape, r, p, period).ok()
    })
}

/// Event numbers of all magnitudes.
fn any_event() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..10, 0u64..100_000, 0u64..1_000_000_000_000]
}

proptest! {
    #[test]
    fn count_agrees_with_time(schedule in any_schedule(), n in any_event()) {
        let Some(time) = schedule.time(n) else {
            prop_assert!(schedule.count(Nanos::MAX) <= n);
            return Ok(());
        };
        // n is due at `time`: not counted before it, counted after it.
        prop_assert!(schedule.count(time) <= n);
        if time < Nanos::MAX {
            prop_assert!(schedule.count(time + 1) > n);
        }
    }

    #[test]
    fn time_agrees_with_count(schedule in any_schedule(), at in 0u64..200_000_000_000) {
        let count = schedule.count(at);
        if count > 0 {
            prop_assert!(schedule.time(count - 1).unwrap() < at);
        }
        if let Some(time) = schedule.time(count) {
            prop_assert!(time >= at);
        }
    }

    #[test]
    fn a_cursor_gives_the_times(schedule in any_schedule(), n in any_event()) {
        let mut cursor = schedule.cursor(n);
        for event in n..n + 200 {
            prop_assert_eq!(cursor.next(), schedule.time(event));
        }
    }

    #[test]
    fn a_run_is_evenly_spread(schedule in any_schedule(), n in any_event()) {
        let run = schedule.run(n, 300);
        let times: Vec<_> = schedule.cursor(n).take(run).collect();
        prop_assert_eq!(times.len(), run);
        if let (Some(&first), Some(&last)) = (times.first(), times.last()) {
            let span = Span { first, last };
            for (index, &time) in times.iter().enumerate() {
                prop_assert!(span.time(index, run).abs_diff(time) <= 2);
            }
        }
    }
}
