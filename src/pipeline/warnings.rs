//! What a run warns of at its end: a missed deadline, or that nothing was done remotely, and why.

use std::time::Duration;

use super::sending::joined;
use super::{Endpoint, Settings};
use crate::observe::{FunctionFailure, Report};
use crate::policy::{PolicyChoice, Sends};
use crate::units::show_duration;

/// Returns the warning that the deadline was missed, with its cause. None if it was kept, or if results have
/// no due time.
pub(super) fn missed_deadline(settings: &Settings, report: &Report) -> Option<String> {
    let on_time = report.on_time();
    (settings.has_due_times() && on_time.is_missed()).then(|| {
        let (late, deadline) = (on_time.late_share(), show_duration(settings.options.model.deadline));
        let mut text = format!(
            "The deadline was missed: {late} of the results came more than {deadline} after their scheduled time."
        );
        if let Some(cause) = &report.cause {
            text += &format!(" Cause of most of them: {}", cause.says);
        }
        if shares_processors(settings, report) {
            text += " The local Lambda computed on this machine's processors too, which the workers then lack.";
        }
        text
    })
}

/// Whether the embedded Lambda took processors from the workers: more than a tenth of what the run used, or as much as
/// processes of a function take, which is not measured. A model that only waits takes none.
fn shares_processors(settings: &Settings, report: &Report) -> bool {
    let functions = settings.functions();
    let mut endpoints = functions.iter().map(|function| function.endpoint);
    let is_embedded = endpoints.any(|endpoint| matches!(endpoint, Endpoint::Embedded(_)));
    let takes_some = settings.pool.is_some() || report.lambda_cpu_ns > report.cpu_ns / 10;
    report.sent.is_some() && takes_some && is_embedded
}

/// Returns the warning that the policy wanted to send records and none was done remotely, with the reason.
/// None if some were, or if the policy did not want to.
pub(super) fn nothing_remote(settings: &Settings, report: &Report) -> Option<String> {
    let policies = settings.sending_policies();
    let wanted = !settings.options.shadow && wanted_to_send(&policies, report);
    (wanted && report.remote() == 0).then(|| {
        let names = joined(policies.iter().map(|policy| policy.name().to_owned()).collect());
        let policy = if policies.len() == 1 { "policy" } else { "policies" };
        let why = why_nothing_remote(settings, report);
        format!(
            "Nothing was done remotely, although the {policy} {names} wanted to send records: {why}."
        )
    })
}

/// Whether records were sent, or would have been if the remote side had accepted them. The policies are not
/// asked while it accepts none.
fn wanted_to_send(policies: &[PolicyChoice], report: &Report) -> bool {
    let wanted = |policy: &PolicyChoice| match policy.spec().sends {
        Sends::Nothing => false,
        Sends::Always => report.counts.done() > 0,
        Sends::AboveThreshold => policy.threshold().is_some_and(|rate| report.offered_peak > rate),
        Sends::Late => report.late.results() > 0,
    };
    !policies.is_empty() && report.sent.is_some() || policies.iter().any(wanted)
}

fn why_nothing_remote(settings: &Settings, report: &Report) -> String {
    if let Some(FunctionFailure { function, why }) = &report.last_failure {
        return format!("{function}: {why}");
    }
    let function = settings.function_names().unwrap_or_else(|| settings.sending.endpoint.name());
    if report.counters().over_budget_us > 0 {
        return "the budget was spent (raise --budget or --budget-total)".to_owned();
    }
    let longest = Duration::from_micros(report.longest_us);
    if report.sent.is_none() && longest > settings.options.model.deadline {
        return format!(
            "a request to {function} takes {}, and results are due after {} (--deadline)",
            show_duration(longest),
            show_duration(settings.options.model.deadline)
        );
    }
    if report.sent.is_some() && report.counts.results() == 0 {
        return "all records are bad (--dead-letter FILE says why)".to_owned();
    }
    if report.sent.is_some() {
        return "workers had done what was sent before answers came".to_owned();
    }
    format!("{function} had answered no request in time to be used")
}
