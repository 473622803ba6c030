//! What a run says last of itself: that it missed its deadline, that nothing was done remotely, and why.

use std::time::Duration;

use super::{PolicyChoice, Settings};
use crate::observe::Report;
use crate::units::show_duration;

/// That the deadline was missed, and what held the run up meanwhile; nothing if it was kept, or if results
/// have no time by which they are due.
pub(super) fn missed(settings: &Settings, report: &Report) -> Option<String> {
    let on_time = report.on_time();
    (settings.has_due_times() && on_time.is_missed()).then(|| {
        let (late, deadline) = (on_time.late_share(), show_duration(settings.deadline));
        let mut says = format!(
            "The deadline was missed: {late} of the results came more than {deadline} after their scheduled time."
        );
        if let Some(cause) = &report.cause {
            says += &format!(" Cause of most of them: {}", cause.says);
        }
        says
    })
}

/// That the policy wanted to send records and none was done remotely, and why; nothing if some were, or if
/// it did not want to.
pub(super) fn nothing_remote(settings: &Settings, report: &Report) -> Option<String> {
    let wanted = settings.is_bursting() && wanted_to_send(settings, report);
    (wanted && report.counts.remote == 0).then(|| {
        let policy = settings.policy.name();
        let why = why_not(settings, report);
        format!(
            "Nothing was done remotely, although the policy {policy} wanted to send records: {why}."
        )
    })
}

/// Whether records were sent, or would have been had the remote side taken them: the policy is not asked
/// while it takes none.
fn wanted_to_send(settings: &Settings, report: &Report) -> bool {
    if report.sent.is_some() {
        return true;
    }
    match settings.policy {
        PolicyChoice::Local => false,
        PolicyChoice::Remote => report.counts.done() > 0,
        PolicyChoice::Threshold(rate) | PolicyChoice::Spill(rate) => report.offered_peak > rate,
        PolicyChoice::Deadline => report.late.results() > 0,
    }
}

fn why_not(settings: &Settings, report: &Report) -> String {
    let function = settings.endpoint.name();
    if let Some(failure) = &report.last_failure {
        return format!("{function}: {failure}");
    }
    if report.over_budget_us > 0 {
        return "the budget was spent (raise --budget or --budget-total)".to_owned();
    }
    let longest = Duration::from_micros(report.longest_us);
    if report.sent.is_none() && longest > settings.deadline {
        return format!(
            "a request to {function} takes {}, and results are due after {} (--deadline)",
            show_duration(longest),
            show_duration(settings.deadline)
        );
    }
    if report.sent.is_some() {
        return "workers had done what was sent before answers came".to_owned();
    }
    format!("{function} had answered no request in time to be used")
}
