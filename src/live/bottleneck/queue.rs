//! Finds why a queue does not become shorter.

use super::super::sample::{Breaker, Function, StageSample};
use super::interval::{BUSY, FunctionInterval, Interval, LONG, SOME, percent};
use super::kind::{Bottleneck, Kind, found};
use crate::observe::WaitReason;
use crate::units::show_count;

/// Returns the call that the records wait for, if its service does not answer, or if most records are held by it.
pub(super) fn call(interval: &Interval) -> Option<Bottleneck> {
    let now = interval.now;
    now.calls.iter().find_map(|(name, remote)| {
        let mut stages = now.stages.iter().map(|stage| &stage.counts);
        let held = stages.find(|stage| stage.name == *name)?.totals.held;
        let of_call = |found: Bottleneck| Bottleneck { call: Some(name.clone()), ..found };
        let waiting = show_count(held);
        if remote.breaker != Breaker::Closed && held > 0 {
            let says = format!(
                "The call {name}: its service does not answer as it should, and {waiting} records wait for it. When \
                 as many wait as may, the source does."
            );
            let advice = "It is asked again by itself. Standard error says how requests fail, and check says more.";
            return found(Kind::Call, says, advice).map(of_call);
        }
        let backpressured = interval.waited_for(WaitReason::Backlog) > SOME;
        let is_most = 2 * held > now.snapshot.backlog;
        (backpressured && is_most && held > 0).then_some(())?;
        let says = format!(
            "The call {name}: {waiting} records wait for it, and {} requests are in flight of {} that may be.",
            remote.counters.in_flight, remote.limit,
        );
        let advice = "It is asked for as much as its settings allow: more requests in flight or a second, or more \
                      records in each, if the service allows for it.";
        found(Kind::Call, says, advice).map(of_call)
    })
}

/// Returns why a queue does not become shorter.
pub(super) fn queue(interval: &Interval) -> Option<Bottleneck> {
    let backpressured = interval.waited_for(WaitReason::Backlog) > SOME;
    let limit = (interval.about.deadline_ms / 1e3).max(LONG);
    let is_long = interval.queue_s() > limit;
    let is_late = interval.late_s() > LONG && interval.cpu.max(interval.task) > BUSY;
    (backpressured || is_long || is_late).then_some(())?;
    let mut functions = interval.functions.iter().filter(|function| holds(interval, function));
    if let Some(found) = functions.find_map(|function| not_sent(interval, function)) {
        return Some(found);
    }
    if let Some(processes) = interval.about.pool {
        let says = format!(
            "The function: its {processes} processes on this machine are busy for {} of the time and do {} records a \
             second: {}.",
            percent(interval.task.min(1.0)),
            show_count(interval.done as u64),
            interval.queue(),
        );
        let advice = match interval.functions.is_empty() {
            true => {
                "Give it more processes where there are cores (--processes N), or let the excess go to the same \
                 function on AWS: --policy deadline."
            }
            false => "Give it more processes where there are cores (--processes N).",
        };
        return found(Kind::Workers, says, advice);
    }
    // The time in the task is wall time. If it is long and the CPU time is short, other programs used the processor.
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
    let advice = match interval.about.advice {
        _ if interval.functions.is_empty() => {
            "Add workers where there are cores (-- -w N), or let the excess go to a function: --policy \
                      deadline, or spill with a --threshold below what they do."
        }
        Some(advice) if interval.keeps_too_much() => advice,
        _ => "Add workers where there are cores (-- -w N).",
    };
    found(Kind::Workers, says, advice)
}

/// Whether records wait for a function, of several.
fn holds(interval: &Interval, function: &FunctionInterval) -> bool {
    let waits = |StageSample { counts, .. }: &StageSample| {
        counts.totals.held > 0 && function.function.stages.contains(&counts.name)
    };
    interval.functions.len() == 1 || interval.now.stages.iter().any(waits)
}

/// Returns why a queue is not sent to a function.
fn not_sent(interval: &Interval, function: &FunctionInterval) -> Option<Bottleneck> {
    let FunctionInterval { function: Function { remote, .. }, bridge, throttled, of } = function;
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
        Breaker::Disabled => {
            let says = format!(
                "The remote results{of} differ from the workers', so nothing more is sent: {queue}."
            );
            return found(
                Kind::Remote,
                says,
                "Deploy the function of this version: the command `check` says more.",
            );
        }
        Breaker::Open | Breaker::HalfOpen => {
            let says =
                format!("The remote side{of} fails, so nothing is sent to it for now: {queue}.");
            let advice =
                "It is tried again by itself. The command `check` says what is wrong with it.";
            return found(Kind::Remote, says, advice);
        }
    }
    let in_flight = remote.counters.in_flight;
    let is_full = in_flight as f64 >= 0.9 * remote.limit as f64 && in_flight > 0;
    let throttled = *throttled as f64 / interval.seconds;
    let is_throttled = throttled > 1.0;
    if is_full && !is_throttled && (remote.limit as f64) < 0.9 * remote.most as f64 {
        let says = format!(
            "The remote side{of}: {in_flight} requests are in flight, and the limit is {} at the moment, of at most {}: \
             {queue}.",
            remote.limit, remote.most,
        );
        let advice = "The limit rises as requests are answered, and falls when one is throttled or a connection fails. \
                      If it stays low, the command `check` says whether the function is slow (more --memory makes it \
                      faster), far away, or hard to reach.";
        return found(Kind::Remote, says, advice);
    }
    if is_throttled || is_full {
        let says = format!(
            "The function's concurrency{of}: {} requests are in flight of {} that may be, {} were throttled a second: \
             {queue}.",
            in_flight,
            remote.limit,
            throttled.round(),
        );
        let advice = "Raise the function's (or the account's) concurrency, or --max-in-flight if that is what \
                      bounds it.";
        return found(Kind::Concurrency, says, advice);
    }
    (*bridge > BUSY).then_some(())?;
    let says = format!(
        "The bridge{of}: its thread is busy for {} of the time: {queue}.",
        percent(*bridge)
    );
    found(
        Kind::Bridge,
        says,
        "Split the run over several processes (-- -n N): each has a bridge of its own.",
    )
}
