//! Rates as a file gives them.

use floodway::schedule::{Schedule, ScheduleError, Shape, Trace};

use crate::engine::Target;

pub fn target() -> Target {
    let words = [
        ",",
        "\n",
        "\r\n",
        " ",
        "0,",
        "\n1,",
        "\n1e3,",
        "NaN",
        "inf",
        "-inf",
        "1e9",
        "1e-6",
        "5e-7",
        "1.5",
        "0.000000001",
        "18446744073.709551615",
        "1e999",
        "+1",
        "#",
        "seconds,rate",
    ];
    Target::new("trace", &words, check)
}

fn check(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let trace: Trace = match text.parse() {
        Ok(trace) => trace,
        Err(ScheduleError::Trace { line, problem }) => {
            let lines = text.lines().count();
            assert!((1..=lines).contains(&line), "line {line} of {lines}");
            return problem.to_string();
        }
        Err(short @ ScheduleError::ShortTrace(_)) => return short.to_string(),
        Err(other) => panic!("a trace cannot be refused for this: {other}"),
    };
    assert!(trace.end() > 0, "it ends where it begins");
    let spaced: Vec<String> = text.lines().map(|line| line.replace(',', " ,\t") + "\r\n").collect();
    assert_eq!(spaced.concat().parse().as_ref(), Ok(&trace), "spaces change it");
    // What is accepted is increasing: a row more, at the end's own time, is refused.
    let last = text.lines().last().unwrap_or_default();
    assert!(format!("{}\n{last}\n", text.trim_end()).parse::<Trace>().is_err(), "not increasing");
    let end = trace.end();
    match Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0) {
        Ok(schedule) => {
            assert_eq!(schedule.end(), Some(end));
            is_consistent(&schedule, end);
            "a schedule".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// `count` and `time` are each other's inverse, and the other two ways to ask agree.
fn is_consistent(schedule: &Schedule, end: u64) {
    let all = schedule.count(u64::MAX);
    assert_eq!(schedule.count(end), all, "there are events past the end");
    let mut times = vec![0, 1, end / 3, end / 2, end - 1, end, end.saturating_add(1)];
    for n in [0, 1, 2, 1_000, all / 2, all.saturating_sub(2), all - 1] {
        let Some(time) = schedule.time(n) else {
            assert!(n >= all, "event {n} of {all} has no time");
            continue;
        };
        assert!(n < all && time < end, "event {n} of {all} is due at {time}, the end is {end}");
        assert!(schedule.count(time) <= n, "event {n} is due before it is due");
        assert!(schedule.count(time + 1) > n, "event {n} is not due when it is due");
        times.extend([time, time + 1]);
        for (more, time) in schedule.cursor(n).take(8).enumerate() {
            // Past the last number that there is, there is no event to ask about.
            let Some(n) = n.checked_add(more as u64) else { break };
            assert_eq!(schedule.time(n), Some(time), "the cursor at event {n}");
        }
        let run = schedule.run(n, 64);
        assert!((1..=64).contains(&run), "a run of {run} events at {n}");
    }
    assert!(schedule.time(all).is_none() || all == u64::MAX, "an event more than there are");
    for time in times {
        let count = schedule.count(time);
        assert!(schedule.time(count).is_none_or(|due| due >= time), "{count} before {time}");
        let before = count.checked_sub(1).and_then(|last| schedule.time(last));
        assert!(before.is_none_or(|due| due < time), "not {count} before {time}");
        let rate = schedule.rate(time);
        let (low, high) = schedule.extremes();
        assert!(time >= end || (low..=high).contains(&rate), "{rate} of {low} to {high}");
    }
}
