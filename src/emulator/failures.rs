//! Decides which invocations fail, and how.

/// How an invocation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The service fails before the function runs.
    Before,
    /// The function runs, and is billed, and then the service fails.
    After,
    /// The answer breaks off in its middle.
    MidAnswer,
    /// The function's code fails.
    Function,
}

/// Returns the fault of invocation `number`, if it has one: a pure function of the seed.
pub(super) fn fault(seed: u64, number: u64, rate: f64) -> Option<Fault> {
    let random = mix(seed ^ mix(number));
    // The upper 53 bits decide whether the invocation fails, and two others how.
    let kinds = [Fault::Before, Fault::After, Fault::MidAnswer, Fault::Function];
    (share(random) < rate).then_some(kinds[(random & 3) as usize])
}

/// Returns whether invocation `number` is throttled although an environment is free: a pure function of the
/// seed.
pub(super) fn throttled(seed: u64, number: u64, rate: f64) -> bool {
    const OTHERS: u64 = 0x7468_726f_7474_6c65;
    share(mix(seed ^ OTHERS ^ mix(number))) < rate
}

/// Returns the upper 53 bits as a number in [0, 1).
fn share(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// SplitMix64's finalizer.
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_share_of_invocations_fails_in_all_ways() {
        let faults: Vec<_> = (0..10_000).filter_map(|number| fault(7, number, 0.3)).collect();
        assert!((2_800..3_200).contains(&faults.len()), "{}", faults.len());
        for kind in [Fault::Before, Fault::After, Fault::MidAnswer, Fault::Function] {
            let of_kind = faults.iter().filter(|fault| **fault == kind).count();
            assert!(of_kind > faults.len() / 5, "{kind:?}: {of_kind}");
        }
        assert_eq!((0..1_000).filter_map(|number| fault(7, number, 0.0)).count(), 0);
        assert_eq!((0..1_000).filter_map(|number| fault(7, number, 1.0)).count(), 1_000);
    }
}
