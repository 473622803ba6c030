//! The kinds of sources and of sinks, as `--source` and `--sink` name them.

use std::sync::Arc;

use super::UsageError;
use super::given::Given;

/// The result of parsing a value.
pub(super) type Parsed<T> = Result<Arc<T>, UsageError>;

/// A kind of source or of sink on the command line. `P` is the function that parses what follows the prefix.
pub(super) struct Form<P> {
    /// What its values begin with. It is the whole value unless it ends with a colon.
    pub prefix: &'static str,
    /// Its values, as errors and the help name them.
    pub values: &'static str,
    /// What the help says of its values. Empty if they need no explanation.
    pub help: &'static str,
    /// The options that have no meaning with it.
    pub excludes: &'static [Excluded],
    /// Parses what follows the prefix.
    pub parse: P,
}

/// An option that has no meaning with a kind of source or of sink. It is refused if it is given, and does not count
/// if the kind is typed and the option is in the file of `--config`.
pub(super) struct Excluded {
    option: &'static str,
    why: &'static str,
    /// A value that is accepted, because it says what is so anyway.
    harmless: &'static str,
}

impl Excluded {
    /// Excludes `option`. Errors say `why`.
    pub(super) const fn new(option: &'static str, why: &'static str) -> Self {
        Excluded { option, why, harmless: "" }
    }

    /// Accepts one value.
    pub(super) const fn unless(self, harmless: &'static str) -> Self {
        Excluded { harmless, ..self }
    }
}

impl<P> Form<P> {
    /// Whether something follows the prefix.
    fn is_open(&self) -> bool {
        self.prefix.ends_with(':')
    }

    /// Returns what follows the prefix, if the value has this form.
    fn rest<'a>(&self, value: &'a str) -> Option<&'a str> {
        value.strip_prefix(self.prefix).filter(|rest| rest.is_empty() != self.is_open())
    }

    /// Whether `value` begins as the values of this form do, although it is the value of another option.
    pub(super) fn begins(&self, value: &str) -> bool {
        self.is_open() && value.starts_with(self.prefix)
    }
}

/// Returns the form of a value, and what follows the prefix. The longest prefix counts.
fn find<'a, P>(forms: &'a [Form<P>], value: &'a str) -> Option<(&'a Form<P>, &'a str)> {
    let found = forms.iter().filter_map(|form| Some((form, form.rest(value)?)));
    found.max_by_key(|(form, _)| form.prefix.len())
}

/// Whether a value of a form excludes `option`.
pub(super) fn excludes<P>(forms: &[Form<P>], value: &str, option: &str) -> bool {
    let form = find(forms, value);
    form.is_some_and(|(form, _)| form.excludes.iter().any(|excluded| excluded.option == option))
}

/// Parses the value of `option`, and refuses the options that it excludes. `parse` calls the form's function.
pub(super) fn parse<P, T: ?Sized>(
    forms: &[Form<P>],
    option: &str,
    value: &str,
    given: &Given,
    parse: impl Fn(&P, &str) -> Parsed<T>,
) -> Parsed<T> {
    let Some((form, rest)) = find(forms, value) else {
        return Err(UsageError::new(option, value, format!("expected {}", values(forms))));
    };
    let parsed = parse(&form.parse, rest)?;
    for Excluded { option: excluded, why, harmless } in form.excludes {
        if let Some(text) = given.value(excluded).filter(|text| text != harmless) {
            let why = format!("cannot be used with {option} {value}: {why}");
            return Err(UsageError::new(*excluded, text, why));
        }
    }
    Ok(parsed)
}

/// Lists the values of all forms: `a, b or c`.
fn values<P>(forms: &[Form<P>]) -> String {
    let all: Vec<_> = forms.iter().map(|form| form.values).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.concat(),
    }
}

/// Returns the help of an option: what it is, and its values.
pub(super) fn help<P>(forms: &[Form<P>], what: &str) -> String {
    format!("{what}: {}", values(forms))
}

/// Returns the same with a paragraph for each form that needs one.
pub(super) fn long_help<P>(forms: &[Form<P>], what: &str) -> String {
    let first = help(forms, what) + ".";
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
