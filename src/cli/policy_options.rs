//! `--policy`, and the options that only some policies use. What depends on which policies there are is made
//! from the registry of policies.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::UsageError;
use super::args::SendingArgs;
use super::given::Given;
use crate::policy::{ChoiceError, Local, POLICIES, PolicyChoice, Sends, Spec, Spill};

/// A value of `--policy`.
pub type PolicyArg = &'static Spec;

/// Returns the parser of `--policy`.
pub(super) fn policy_parser() -> impl TypedValueParser<Value = PolicyArg> {
    let values = POLICIES.iter().map(|policy| PossibleValue::new(policy.name).help(policy.help));
    PossibleValuesParser::new(values).try_map(|name| Spec::named(&name).ok_or("no policy"))
}

/// An option that only some policies use.
pub(super) struct PolicyOption {
    pub name: &'static str,
    /// Whether a policy uses it.
    pub is_used: fn(&Spec) -> bool,
    /// What it needs, in words.
    pub needs: fn() -> String,
}

/// The options that only some policies use. One that would change nothing is refused.
pub(super) const POLICY_OPTIONS: [PolicyOption; 3] = [
    PolicyOption { name: "--threshold", is_used: Spec::needs_threshold, needs: with_threshold },
    PolicyOption { name: "--budget", is_used: Spec::needs_remote, needs: that_sends },
    PolicyOption { name: "--budget-total", is_used: Spec::needs_remote, needs: that_sends },
];

/// Whether `policy` uses `option`.
pub(super) fn uses(policy: PolicyArg, option: &str) -> bool {
    POLICY_OPTIONS.iter().all(|of| of.name != option || (of.is_used)(policy))
}

fn with_threshold() -> String {
    format!("--policy {}", listed(POLICIES, Spec::needs_threshold, "or"))
}

/// Returns what an option needs that is about sending records.
pub(super) fn that_sends() -> String {
    let policies = listed(POLICIES, Spec::needs_remote, "or");
    format!("a --policy that sends something: {policies}")
}

/// Lists the names of those of `policies` that `is_meant` selects: `a, b or c`.
pub(super) fn listed(
    policies: &[PolicyArg],
    is_meant: impl Fn(&Spec) -> bool,
    last: &str,
) -> String {
    let names: Vec<_> = policies.iter().filter(|of| is_meant(of)).map(|of| of.name).collect();
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Returns the policies that are compared if none are named: those that always send come last.
pub(super) fn compared() -> Vec<PolicyArg> {
    let mut policies = POLICIES.to_vec();
    policies.sort_by_key(|policy| policy.sends == Sends::Always);
    policies
}

/// Joins the names of policies as an option takes them.
pub(super) fn joined(policies: &[PolicyArg]) -> String {
    policies.iter().map(|policy| policy.name).collect::<Vec<_>>().join(",")
}

/// Returns the policy that is used if none is named.
fn default(has_threshold: bool) -> PolicyArg {
    if has_threshold { &Spill::SPEC } else { &Local::SPEC }
}

pub(super) fn policy_help() -> String {
    format!(
        "Which records are sent to the remote side [default: {}, or {} where --threshold is given]",
        default(false).name,
        default(true).name
    )
}

pub(super) fn threshold_help(default: &str) -> String {
    let policies = listed(POLICIES, Spec::needs_threshold, "and");
    format!("Events per second over all workers, for the policies {policies}{default}")
}

pub(super) fn compare_help() -> String {
    format!("Policies to compare, with commas between them [default: {}]", joined(&compared()))
}

pub(super) fn compare_long_help() -> String {
    format!(
        "{}.\n\n{} take --threshold; without it, the threshold is nine tenths of the rate that the workers \
         sustain, which is measured first.",
        compare_help(),
        listed(POLICIES, Spec::needs_threshold, "and")
    )
}

pub(super) fn simulate_help() -> String {
    let policies = joined(POLICIES).replace(',', ", ");
    format!("Policies to simulate: {policies} or all, with commas between them [default: all]")
}

/// Returns the policy with its threshold.
pub(super) fn choice(
    policy: Option<PolicyArg>,
    threshold: Option<f64>,
    given: &Given,
) -> Result<PolicyChoice, UsageError> {
    let policy = policy.unwrap_or_else(|| default(threshold.is_some()));
    PolicyChoice::new(policy, threshold).map_err(|error| match error {
        ChoiceError::NeedsThreshold => {
            let why = "needs --threshold, in events per second over all workers";
            UsageError::new("--policy", policy.name, why)
        }
        ChoiceError::HasNoThreshold => {
            given.error("--threshold", format!("is for {}", with_threshold()))
        }
    })
}

/// Returns the policy of a run or a stage.
pub(super) fn policy(args: &SendingArgs, given: &Given) -> Result<PolicyChoice, UsageError> {
    // A threshold that was not typed is for the policies that use one.
    let of_another = args.policy.is_some_and(|policy| !policy.needs_threshold())
        && given.typed("--threshold").is_none();
    choice(args.policy, args.threshold.filter(|_| !of_another), given)
}

/// Refuses typed options that none of `policies` uses. The error ends with `besides`.
pub(super) fn refuse_unused(
    given: &Given,
    policies: &[PolicyArg],
    besides: &str,
) -> Result<(), UsageError> {
    for PolicyOption { name, is_used, needs } in POLICY_OPTIONS {
        let is_used = policies.iter().any(|policy| is_used(policy));
        if let Some(value) = given.typed(name).filter(|_| !is_used) {
            return Err(UsageError::new(name, value, format!("is for {}{besides}", needs())));
        }
    }
    Ok(())
}
