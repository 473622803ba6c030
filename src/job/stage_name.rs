//! Which names a stage may have.

/// Checks the name of a stage, behind those of `others`.
///
/// # Errors
/// If it is not a name, or is taken.
pub(super) fn check<'a>(
    name: &str,
    others: impl IntoIterator<Item = &'a str>,
) -> Result<(), String> {
    // `--stage NAME.KEY=VALUE,...` and `--call NAME=URL` could not name such a stage, and a list of stages has commas.
    let is_wrong = |c: char| matches!(c, ',' | '=' | '.') || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.contains(is_wrong) {
        return Err(format!(
            "a stage has the name {name:?}: expected a name without commas, equals signs, dots and white space, such \
             as word-count"
        ));
    }
    if others.into_iter().any(|other| other == name) {
        return Err(format!("two stages have the name {name:?}: give each its own"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_command_line_cannot_name_or_that_is_taken_is_refused() {
        let check = |name| check(name, ["fetch", "score"]);
        for name in ["", "a,b", "a=b", "v1.2", "word count", "a\tb", "a\u{a0}b", "a\0b"] {
            let why = check(name).unwrap_err();
            assert!(why.contains(&format!("{name:?}")) && why.contains("such as"), "{why}");
        }
        assert!(check("score").unwrap_err().contains("two stages have the name \"score\""));
        for name in ["a", "word-count", "Fetch", "größe", "a/b", "q:1"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
