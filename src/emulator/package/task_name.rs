//! The name of the task that a function folder computes.

use std::path::Path;

/// Name of a task whose folder has no letter or digit in its name.
const DEFAULT: &str = "function";

/// Longest name in bytes, which is that of a function of AWS.
const LONGEST: usize = 64;

/// Checks the name of a task.
///
/// # Errors
/// If it is not a name. The error says what is.
pub(super) fn check(name: &str) -> Result<(), String> {
    if (1..=LONGEST).contains(&name.len()) && name.chars().all(is_allowed) {
        return Ok(());
    }
    Err(format!(
        "expected 1 to {LONGEST} lower-case letters, digits, `_` and `-`, such as word-count, got {name:?}"
    ))
}

/// Returns the name of the task of the function in `folder`: the folder's name in lower case, with `-` for all other
/// characters that a task's name cannot have. A longer name is cut off.
pub(crate) fn task_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let allowed = name.chars().map(|c| if is_allowed(c) { c } else { '-' });
    let name: String = allowed.skip_while(|c| *c == '-').take(LONGEST).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { DEFAULT.to_owned() } else { name.to_owned() }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_becomes_the_name_of_a_task() {
        for (folder, name) in [
            ("prices", "prices"),
            ("work/word-count_2", "word-count_2"),
            ("My Prices", "my-prices"),
            (".tmpAb", "tmpab"),
            ("/", DEFAULT),
            ("日本", DEFAULT),
            (&"a".repeat(200), &"a".repeat(LONGEST)),
        ] {
            assert_eq!(task_name(Path::new(folder)), name, "{folder}");
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn another_name_is_refused_with_what_would_be_right() {
        for name in ["", "Prices", "a b", "prices/2", "é", &"a".repeat(LONGEST + 1)] {
            let error = check(name).unwrap_err();
            assert!(error.contains("such as word-count") && error.contains(&format!("{name:?}")));
        }
    }
}
