//! Which versions of a function go with which of this crate.

/// Whether `version` computes the same as `needs`, by the rules of semantic versioning: the same major
/// version, and the same minor one while that is 0. What is no version is not compatible with any.
///
/// # Examples
/// ```
/// use floodway::wire::is_compatible;
///
/// assert!(is_compatible("0.1.7", "0.1.0"));
/// assert!(!is_compatible("0.0.9", "0.1.0"));
/// assert!(is_compatible("1.9.0", "1.2.3"));
/// assert!(!is_compatible("newest", "0.1.0"));
/// ```
pub fn is_compatible(version: &str, needs: &str) -> bool {
    match (leading(version), leading(needs)) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => false,
    }
}

/// The part of a version that must be the same: `0.1` of `0.1.0`, `1` of `1.2.3`.
pub(crate) fn compatible_with(version: &str) -> &str {
    let minor = if version.starts_with("0.") { 2 } else { 1 };
    match version.match_indices('.').nth(minor - 1) {
        Some((at, _)) => &version[..at],
        None => version,
    }
}

fn leading(version: &str) -> Option<(u64, u64)> {
    let version = version.split(['-', '+']).next()?;
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    numbers.all(|number| number.is_some()).then_some(())?;
    Some((major, if major == 0 { minor } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, needs, is) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.0-rc.1", "0.1.9", true),
            ("0.2.0", "0.1.0", false),
            ("1.0.0", "0.1.0", false),
            ("2.0.0", "1.0.0", false),
            ("1.5.0", "1.0.0", true),
            ("", "0.1.0", false),
            ("0", "0.1.0", false),
            ("0.1.x", "0.1.0", false),
        ] {
            assert_eq!(is_compatible(version, needs), is, "{version} for {needs}");
        }
        assert_eq!([compatible_with("0.1.0"), compatible_with("1.2.3")], ["0.1", "1"]);
    }
}
