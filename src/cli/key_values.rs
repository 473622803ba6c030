//! Options whose value is a list `KEY=VALUE[,KEY=VALUE...]`.

use std::fmt::Display;

use super::UsageError;

/// Calls `set` with each key and value of a list.
///
/// # Errors
/// If a part has no `=`, a key is given twice, or `set` refuses a value.
pub(super) fn set_each<E: Display>(
    option: &'static str,
    list: Option<&String>,
    mut set: impl FnMut(&str, &str) -> Result<(), E>,
) -> Result<(), UsageError> {
    let mut given = Vec::new();
    for part in list.iter().flat_map(|list| list.split(',')) {
        let wrong = |why: String| UsageError::new(option, part, why);
        let (key, value) =
            part.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE".to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        set(key, value).map_err(|error| wrong(error.to_string()))?;
        if given.contains(&key) {
            return Err(wrong(format!("{key} is given twice")));
        }
        given.push(key);
    }
    Ok(())
}
