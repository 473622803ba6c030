//! What the terminal supports, and how text is made safe for it.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal as _;

/// Whether standard error is a terminal that can move its cursor. `TERM=dumb` cannot.
pub(crate) fn is_capable() -> bool {
    std::io::stderr().is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Whether standard error shows colours: <https://no-color.org>.
pub(crate) fn has_colors() -> bool {
    is_capable() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns the columns of the terminal on standard error, or 80 without one.
#[cfg(feature = "cli")]
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Returns `text` as one line that moves no cursor and changes no colour: control characters, and those that
/// change the direction of writing, are escaped as in Rust's strings.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_control(letter) {
            true => plain.extend(letter.escape_default()),
            false => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

/// Returns `text` with at most `most` characters. An ellipsis stands for the others.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// Whether a terminal would act on the character instead of showing it.
fn is_control(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_off_after_whole_characters() {
        assert_eq!(shorten("größer", 6), "größer");
        assert_eq!(shorten("größer", 4), "größ…");
        assert_eq!(shorten("", 0), "");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(plain("naïve 数 ok"), "naïve 数 ok");
        assert_eq!(plain("\u{1b}[31mred\r\n\u{9b}2J"), r"\u{1b}[31mred\r\n\u{9b}2J");
        assert_eq!(plain("a\u{202e}b\u{2028}c"), r"a\u{202e}b\u{2028}c");
    }
}
