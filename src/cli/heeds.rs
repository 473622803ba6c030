//! Which options a policy makes something of: one that would change nothing is refused.

use super::UsageError;
use super::args::{BridgeArgs, PolicyArg, RunArgs};

/// The options that only some policies heed, and which those are.
pub(super) const SOME: [(&str, &str); 3] = [
    ("--threshold", "--policy threshold or spill"),
    ("--budget", "a --policy that sends something: remote, threshold, spill or deadline"),
    ("--budget-total", "a --policy that sends something: remote, threshold, spill or deadline"),
];

/// Whether `policy` makes anything of `option`.
pub(super) fn heeds(policy: PolicyArg, option: &str) -> bool {
    match option {
        "--threshold" => matches!(policy, PolicyArg::Threshold | PolicyArg::Spill),
        "--budget" | "--budget-total" => policy != PolicyArg::Local,
        _ => true,
    }
}

/// The value of one of those options, if it was typed. A file may have the settings of several
/// policies: what stands there is not held against any.
pub(super) fn typed<'a>(args: &'a RunArgs, option: &str) -> Option<&'a String> {
    let given = match option {
        "--threshold" => &args.threshold,
        "--budget" => &args.bridge.budget,
        "--budget-total" => &args.bridge.budget_total,
        _ => &None,
    };
    let is_files = args.from_file.iter().any(|key| option.strip_prefix("--") == Some(key));
    given.as_ref().filter(|_| !is_files)
}

/// The threshold, where the policy has one.
pub(super) fn threshold(args: &RunArgs) -> Option<&String> {
    let of_another = args.policy.is_some_and(|policy| !heeds(policy, "--threshold"))
        && typed(args, "--threshold").is_none();
    args.threshold.as_ref().filter(|_| !of_another)
}

/// Refuses what was typed and the policy does not heed.
pub(super) fn refuse(args: &RunArgs) -> Result<(), UsageError> {
    let default = if threshold(args).is_some() { PolicyArg::Spill } else { PolicyArg::Local };
    let policy = args.policy.unwrap_or(default);
    for (option, whose) in SOME {
        if let Some(value) = typed(args, option).filter(|_| !heeds(policy, option)) {
            return Err(UsageError::new(option, value, format!("is for {whose}")));
        }
    }
    Ok(())
}

/// Refuses a budget that none of the policies of a simulation spends.
pub(super) fn refuse_budgets(args: &BridgeArgs, policies: &[PolicyArg]) -> Result<(), UsageError> {
    let given = [("--budget", &args.budget), ("--budget-total", &args.budget_total)];
    for (option, whose) in SOME {
        let value =
            given.iter().find_map(|(name, value)| value.as_ref().filter(|_| *name == option));
        let is_heeded = policies.iter().any(|policy| heeds(*policy, option));
        if let Some(value) = value.filter(|_| !is_heeded) {
            return Err(UsageError::new(option, value, format!("is for {whose}")));
        }
    }
    Ok(())
}
