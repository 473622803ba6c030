//! Decides which versions of a function are compatible with a task: by the rules of semantic versioning, or, if both
//! belong to users' programs, only the same build.

/// Returns the part of a version that compatible versions share: up to its first number that is not 0.
pub(crate) fn compatible_prefix(version: &str) -> &str {
    let end = version.match_indices('.').find(|(at, _)| version[..*at].contains(|c| c > '0'));
    end.map_or(version, |(at, _)| &version[..at])
}

/// The text before the fingerprint of the stages' names in the version of a user's program.
const STAGES: &str = " (stages ";

/// Returns the version of a function that is a user's program, such as `clicks/1.2.0 (stages 5d41402a)`.
pub(crate) fn of_program(program: &str, fingerprint: u32) -> String {
    format!("{program}{STAGES}{fingerprint:08x})")
}

/// Whether a function's version is that of a user's program.
pub(crate) fn is_of_program(version: &str) -> bool {
    version.contains(STAGES)
}

/// Whether a function of the version `function` may compute a task that needs the version `needs`. The task of a user's
/// program may also be computed by any function that is not a user's program, such as one in Python.
pub(crate) fn are_compatible(function: &str, needs: &str) -> bool {
    match is_of_program(needs) {
        true => function == needs || !is_of_program(function),
        false => compatible_prefix(function) == compatible_prefix(needs),
    }
}

/// Returns the versions that are compatible with `needs`, as errors show them.
pub(crate) fn compatible_versions(needs: &str) -> &str {
    if is_of_program(needs) { needs } else { compatible_prefix(needs) }
}

/// The text before the function's version in its error.
const IN_FUNCTION: &str = " in the function of version ";

/// Adds the function's version to its error.
pub(crate) fn with_version(error: &str, version: &str) -> String {
    format!("{error}{IN_FUNCTION}{version}")
}

/// Returns the version that a function's error names, if any.
pub(crate) fn in_error(error: &str) -> Option<&str> {
    error.rsplit_once(IN_FUNCTION).map(|(_, version)| version)
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

    #[test]
    fn a_program_needs_the_same_build_of_itself_or_a_function_that_is_no_program() {
        let needs = of_program("clicks/1.2.0", 7);
        assert_eq!(needs, "clicks/1.2.0 (stages 00000007)");
        for (function, are) in [
            (&*needs, true),
            ("0.1.0", true),
            ("", true),
            (&of_program("clicks/1.2.1", 7), false),
            (&of_program("clicks/1.2.0", 8), false),
            (&of_program("views/1.2.0", 7), false),
        ] {
            assert_eq!(are_compatible(function, &needs), are, "{function}");
        }
        assert!(!are_compatible(&needs, "0.1.0"), "it does not have Floodway's own tasks");
        assert_eq!(in_error(&with_version("there is no task a", &needs)), Some(&*needs));
        assert_eq!(in_error("there is no task a"), None);
    }
}
