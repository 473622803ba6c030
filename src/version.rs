//! Which versions are compatible, by the rules of semantic versioning.

/// Returns the part of a version that compatible versions share: up to its first number that is not 0.
pub(crate) fn compatible_prefix(version: &str) -> &str {
    let end = version.match_indices('.').find(|(at, _)| version[..*at].contains(|c| c > '0'));
    end.map_or(version, |(at, _)| &version[..at])
}

/// Whether the versions are compatible.
pub(crate) fn are_compatible(one: &str, other: &str) -> bool {
    compatible_prefix(one) == compatible_prefix(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_up_to_the_first_number_that_is_not_0() {
        let versions = ["1.2.3", "0.1.0", "0.1.9", "0.1.0-rc.1", "0.0.3", "10.0.1", "odd", ""];
        assert_eq!(
            versions.map(compatible_prefix),
            ["1", "0.1", "0.1", "0.1", "0.0.3", "10", "odd", ""]
        );
        for (one, other, are) in [
            ("0.1.7", "0.1.0", true),
            ("1.9.0", "1.2.3", true),
            ("0.0.9", "0.1.0", false),
            ("0.2.0", "0.1.0", false),
            ("1.0.0", "0.1.0", false),
            ("0", "0.1.0", false),
            ("newest", "0.1.0", false),
        ] {
            assert_eq!(are_compatible(one, other), are, "{one} and {other}");
        }
    }
}
