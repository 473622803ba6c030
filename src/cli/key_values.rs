//! Options whose value is a list `KEY=VALUE[,KEY=VALUE...]`.

use std::fmt::Display;

/// Calls `set` with each key and value of a list, in which no key is given twice.
///
/// # Errors
/// If a part has no `=`, a key is given twice, or `set` refuses a value. Of a list of several parts, the error names
/// the part.
pub(super) fn set_each<E: Display>(
    list: &str,
    mut set: impl FnMut(&str, &str) -> Result<(), E>,
) -> Result<(), String> {
    let mut given = Vec::new();
    for_each(list, |key, value| {
        set(key, value).map_err(|error| error.to_string())?;
        if given.iter().any(|other| other == key) {
            return Err(format!("{key} is given twice"));
        }
        given.push(key.to_owned());
        Ok(())
    })
}

/// Calls `take` with each key and value of a list.
///
/// # Errors
/// If a part has no `=`, or `take` refuses it. Of a list of several parts, the error names the part.
pub(super) fn for_each(
    list: &str,
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), String> {
    for part in list.split(',') {
        let wrong = |why: String| if part == list { why } else { format!("{part}: {why}") };
        let (key, value) =
            part.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE".to_owned()))?;
        take(key.trim(), value.trim()).map_err(wrong)?;
    }
    Ok(())
}
