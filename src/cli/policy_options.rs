//! Which options a policy uses. An option that would change nothing is refused.

use super::UsageError;
use super::args::{BridgeArgs, PolicyArg, RunArgs};

/// The options that only some policies use, and what they need.
pub(super) const POLICY_OPTIONS: [(&str, &str); 3] = [
    ("--threshold", "--policy threshold or spill"),
    ("--budget", "a --policy that sends something: remote, threshold, spill or deadline"),
    ("--budget-total", "a --policy that sends something: remote, threshold, spill or deadline"),
];

/// Whether `policy` uses `option`.
pub(super) fn uses(policy: PolicyArg, option: &str) -> bool {
    match option {
        "--threshold" => matches!(policy, PolicyArg::Threshold | PolicyArg::Spill),
        "--budget" | "--budget-total" => policy != PolicyArg::Local,
        _ => true,
    }
}

/// Returns the value of such an option, if it was typed. Options from a file do not count: a file may hold
/// the settings of several policies.
pub(super) fn typed_value<'a>(args: &'a RunArgs, option: &str) -> Option<&'a String> {
    let given = match option {
        "--threshold" => &args.threshold,
        "--budget" => &args.bridge.budget,
        "--budget-total" => &args.bridge.budget_total,
        _ => &None,
    };
    let is_files = args.from_file.iter().any(|key| option.strip_prefix("--") == Some(key));
    given.as_ref().filter(|_| !is_files)
}

/// Returns the threshold, if the policy uses one.
pub(super) fn threshold(args: &RunArgs) -> Option<&String> {
    let of_another = args.policy.is_some_and(|policy| !uses(policy, "--threshold"))
        && typed_value(args, "--threshold").is_none();
    args.threshold.as_ref().filter(|_| !of_another)
}

/// Refuses typed options that the policy does not use.
pub(super) fn refuse_unused(args: &RunArgs) -> Result<(), UsageError> {
    let default = if threshold(args).is_some() { PolicyArg::Spill } else { PolicyArg::Local };
    let policy = args.policy.unwrap_or(default);
    for (option, needed) in POLICY_OPTIONS {
        if let Some(value) = typed_value(args, option).filter(|_| !uses(policy, option)) {
            return Err(UsageError::new(option, value, format!("is for {needed}")));
        }
    }
    Ok(())
}

/// Refuses a budget that none of the simulated policies spends.
pub(super) fn refuse_unused_budgets(
    args: &BridgeArgs,
    policies: &[PolicyArg],
) -> Result<(), UsageError> {
    let given = [("--budget", &args.budget), ("--budget-total", &args.budget_total)];
    for (option, needed) in POLICY_OPTIONS {
        let value =
            given.iter().find_map(|(name, value)| value.as_ref().filter(|_| *name == option));
        let is_used = policies.iter().any(|policy| uses(*policy, option));
        if let Some(value) = value.filter(|_| !is_used) {
            return Err(UsageError::new(option, value, format!("is for {needed}")));
        }
    }
    Ok(())
}
