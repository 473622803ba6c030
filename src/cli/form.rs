//! The kinds of sources and of sinks, as `--source` and `--sink` name them.

use std::sync::Arc;

use super::UsageError;

/// The result of parsing a value: none if it is of another kind.
pub(super) type Parsed<T> = Result<Option<Arc<T>>, UsageError>;

/// A kind of source or of sink on the command line. `P` is the function that parses what follows the prefix.
pub(super) struct Form<P> {
    /// What its values begin with.
    pub prefix: &'static str,
    /// Its values, as errors and the help name them.
    pub values: &'static str,
    /// What the help says of its values. Empty if they need no explanation.
    pub help: &'static str,
    /// Parses what follows the prefix.
    pub parse: P,
}

/// Parses the value of `option` with the first of the forms that it has. `parse` calls a form's function.
pub(super) fn parse<P, T: ?Sized>(
    forms: &[Form<P>],
    option: &str,
    given: &str,
    parse: impl Fn(&P, &str) -> Parsed<T>,
) -> Result<Arc<T>, UsageError> {
    for form in forms {
        if let Some(rest) = given.strip_prefix(form.prefix)
            && let Some(parsed) = parse(&form.parse, rest)?
        {
            return Ok(parsed);
        }
    }
    Err(UsageError::new(option, given, format!("expected {}", values(forms))))
}

/// Lists the values of all forms: `a, b or c`.
fn values<P>(forms: &[Form<P>]) -> String {
    let all: Vec<_> = forms.iter().map(|form| form.values).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.concat(),
    }
}

/// Returns the help of an option: what it is, its values and its default.
pub(super) fn help<P>(forms: &[Form<P>], what: &str, default: &str) -> String {
    format!("{what}: {} [default: {default}]", values(forms))
}

/// Returns the same with a paragraph for each form that needs one.
pub(super) fn long_help<P>(forms: &[Form<P>], what: &str, default: &str) -> String {
    let first = help(forms, what, default) + ".";
    let forms = forms.iter().map(|form| form.help).filter(|help| !help.is_empty());
    std::iter::once(&*first).chain(forms).collect::<Vec<_>>().join("\n\n")
}

/// Splits the options after the `?` of a value.
///
/// # Errors
/// If one of them is given twice.
pub(super) fn options(options: &str) -> Result<Vec<&str>, String> {
    let mut all: Vec<&str> = Vec::new();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let key = |option: &str| option.split('=').next().map(str::to_owned);
        if all.iter().any(|before| key(before) == key(option)) {
            return Err(format!("{option}: is said twice"));
        }
        all.push(option);
    }
    Ok(all)
}
