//! The format of AWS's profile files, as botocore reads it: by Python's `configparser`.
//!
//! - A section is `[NAME]`; text after the last `]` of its line is ignored. `[DEFAULT]` holds defaults for
//!   all sections.
//! - A property is `key = value` or `key: value`, with any indentation. A line that is indented *further*
//!   than the property before it continues that property's value, in a new line.
//! - Below a property without a value such lines are properties of their own.
//! - A comment is a line of its own that begins with `#` or `;`. There are no comments within the line of a
//!   value.
//! - A section or a key that occurs twice is an error, and so is any other line.

use std::collections::BTreeMap;

/// The properties of a section, with keys in lower case.
pub(super) type Properties = BTreeMap<String, String>;

/// An error, and its line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub line: usize,
    pub why: String,
}

/// Returns the sections of a file in order.
pub(super) fn parse(text: &[u8]) -> Result<Vec<(String, Properties)>, Wrong> {
    let text = decoded(text)?;
    let (mut sections, mut defaults) = (Vec::<(String, Properties)>::new(), Properties::new());
    // The current section, and the property whose value may continue.
    let (mut section, mut key) = (None::<usize>, None::<String>);
    let (mut is_inside, mut indent) = (false, 0);
    for (number, line) in lines(text).enumerate() {
        let wrong = |why: String| Wrong { line: number + 1, why };
        let value = line.trim();
        if value.starts_with(['#', ';']) {
            continue;
        }
        let properties = match section {
            Some(at) => &mut sections[at].1,
            None => &mut defaults,
        };
        let goes_on = key.as_ref().and_then(|key| properties.get_mut(key));
        if value.is_empty() {
            goes_on.into_iter().for_each(|value| value.push('\n'));
            continue;
        }
        let indented = line.chars().take_while(|char| char.is_whitespace()).count();
        if let Some(before) = goes_on.filter(|_| indented > indent) {
            let is_nested = before.is_empty() || before.starts_with('\n');
            if is_nested && !value.contains('=') {
                let why = "expected KEY = VALUE below a key that has no value of its own";
                return Err(wrong(why.to_owned()));
            }
            before.extend(["\n", value]);
            continue;
        }
        indent = indented;
        if let Some(name) = section_name(value) {
            (is_inside, key) = (true, None);
            section = None;
            if name != "DEFAULT" {
                if sections.iter().any(|(other, _)| other == name) {
                    return Err(wrong(format!("there is a section [{name}] before")));
                }
                section = Some(sections.len());
                sections.push((name.to_owned(), Properties::new()));
            }
            continue;
        }
        if !is_inside {
            return Err(wrong("expected a section such as [default]".to_owned()));
        }
        let (name, value) = value
            .split_once(['=', ':'])
            .filter(|(name, _)| !name.trim().is_empty())
            .ok_or_else(|| wrong("expected KEY = VALUE, or a [SECTION]".to_owned()))?;
        let name = name.trim().to_lowercase();
        if properties.insert(name.clone(), value.trim().to_owned()).is_some() {
            return Err(wrong(format!("its section has {name} before")));
        }
        key = Some(name);
    }
    for (_, properties) in &mut sections {
        for (key, value) in &defaults {
            properties.entry(key.clone()).or_insert_with(|| value.clone());
        }
        properties.values_mut().for_each(|value| value.truncate(value.trim_end().len()));
    }
    Ok(sections)
}

/// Returns the properties that are indented below a property without a value of its own; `None` if it has
/// one. Keys keep their case.
pub(super) fn nested(value: &str) -> Option<Properties> {
    let pairs = value.strip_prefix('\n')?.lines().filter_map(|line| line.split_once('='));
    Some(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
}

/// Splits a section's name into words as Python's `shlex` does, with a shell's quotes. None if a quote is not
/// closed. The crate `shlex` differs: there `#` begins a comment.
pub(super) fn words(name: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut chars = name.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), char) if char == open => quote = None,
            (Some('"') | None, '\\') => {
                let next = chars.next()?;
                let word = word.get_or_insert_default();
                // Between double quotes, a backslash escapes only a quote or itself.
                if quote.is_some() && !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, char) if char.is_ascii_whitespace() => words.extend(word.take()),
            (_, char) => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn section_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    Some(name).filter(|name| !name.is_empty())
}

/// Splits text into lines as Python does: each of three line ends counts.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn decoded(text: &[u8]) -> Result<&str, Wrong> {
    if text.starts_with(b"\xef\xbb\xbf") {
        let why = "it begins with a byte order mark, which AWS's own programs do not read: save it without one";
        return Err(Wrong { line: 1, why: why.to_owned() });
    }
    std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        let why = "it is not UTF-8, as a file in latin-1 is not: save it as UTF-8".to_owned();
        Wrong { line, why }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the sections of a text in one line. tests/external/aws/profiles.rs compares files with
    /// botocore itself.
    fn shown(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(sections) => format!("{sections:?}"),
            Err(Wrong { line, why }) => format!("{line}: {why}"),
        }
    }

    #[test]
    fn sections_and_properties_are_read_as_botocore_reads_them() {
        let text = "\n; c\n[a] # x\n  K : v # w\n\tl= \r\n\t  m = 1\n\t  # c\n\n\t  n=2\n[DEFAULT]\nk=d\nd=e\n";
        let expected = r##"[("a", {"d": "e", "k": "v # w", "l": "\nm = 1\n\nn=2"})]"##;
        assert_eq!(shown(text), expected);
        let below = nested("\nm = 1\n\nn=2").unwrap();
        assert_eq!(format!("{below:?}"), r#"{"m": "1", "n": "2"}"#);
        assert_eq!(nested("one\ntwo = 2"), None);
    }

    #[test]
    fn an_error_says_its_line() {
        for (text, said) in [
            ("\nk = v\n", "2: expected a section"),
            ("[a]\n[b]\n[a]\n", "3: there is a section [a] before"),
            ("[a]\nk = 1\nK = 2\n", "3: its section has k before"),
            ("[a]\nsecret\n", "2: expected KEY = VALUE, or a [SECTION]"),
            ("[a]\n = 1\n", "2: expected KEY = VALUE"),
            ("[a]\nk =\n  secret\n", "3: expected KEY = VALUE below a key"),
            ("\u{feff}[a]\n", "1: it begins with a byte order mark"),
        ] {
            assert!(shown(text).starts_with(said), "{text:?}: {}", shown(text));
        }
        let wrong = parse(b"[a]\n# \xe9\n").unwrap_err();
        assert!(wrong.line == 2 && wrong.why.contains("not UTF-8"), "{wrong:?}");
    }

    #[test]
    fn the_words_of_a_section_name_may_be_quoted() {
        for (name, expected) in [
            (r#"profile "My Account""#, Some(&["profile", "My Account"][..])),
            ("profile\t'a \"b\\'", Some(&["profile", r#"a "b\"#])),
            (r#"profile a\ "\"\x""#, Some(&["profile", r#"a "\x"#])),
            ("profile #1 ''", Some(&["profile", "#1", ""])),
            ("profile \"a", None),
            ("profile a\\", None),
        ] {
            assert_eq!(
                words(name).as_deref().map(|words| words.iter().map(String::as_str).collect()),
                expected.map(<[&str]>::to_vec),
                "{name}"
            );
        }
    }
}
