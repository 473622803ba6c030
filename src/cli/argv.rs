//! Prepares the command line before it is parsed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::program::Program;

/// Returns `args` with `--option -value` as `--option=-value`, so that the option itself reports a value that
/// begins with a hyphen. Two hyphens always begin an option, and `-h` always asks for help.
pub(super) fn join_hyphen_values(program: &Program, args: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    let command = args.get(1).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let takes_value = value_options(program, &command);
    let mut own = true;
    for word in args {
        own &= word != "--";
        let text = word.to_string_lossy();
        let is_value = text.len() > 1
            && text.starts_with('-')
            && !text.starts_with("--")
            && !matches!(&*text, "-h" | "-V");
        match joined.last_mut() {
            Some(option) if own && is_value && takes_value(&option.to_string_lossy()) => {
                option.push("=");
                option.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Whether a word is an option of the command `command` that takes a value.
fn value_options(program: &Program, command: &str) -> impl Fn(&str) -> bool {
    let cli = program.command();
    let arguments =
        cli.find_subcommand(command).into_iter().flat_map(|found| found.get_arguments());
    let with_value = arguments.filter(|argument| argument.get_action().takes_values());
    let names: Vec<String> =
        with_value.filter_map(|argument| argument.get_long()).map(str::to_owned).collect();
    move |word| {
        word.strip_prefix("--").is_some_and(|name| names.iter().any(|option| option == name))
    }
}

/// Whether `option`, such as `--rate`, stands before timely's arguments.
pub(super) fn contains(args: &[OsString], option: &str) -> bool {
    let own = args.iter().take_while(|word| *word != "--").map(|word| word.to_string_lossy());
    own.into_iter().any(|word| {
        word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

/// Returns the values of `option` that stand before timely's arguments.
pub(super) fn values(args: &[OsString], option: &str) -> Vec<OsString> {
    let mut own = args.iter().take_while(|word| *word != "--");
    let mut values = Vec::new();
    while let Some(word) = own.next() {
        match word.as_bytes().strip_prefix(option.as_bytes()) {
            Some([]) => values.extend(own.next().cloned()),
            Some([b'=', value @ ..]) => values.push(OsStr::from_bytes(value).to_owned()),
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_value_may_begin_with_a_hyphen() {
        let join = |line| {
            join_hyphen_values(&Program::default(), split_words(line))
                .join(std::ffi::OsStr::new(" "))
        };
        for (typed, meant) in [
            ("floodway run --work -1us --seed 3", "floodway run --work=-1us --seed 3"),
            ("floodway run --overwrite -x", "floodway run --overwrite -x"),
            ("floodway run --rate --seed 3", "floodway run --rate --seed 3"),
            ("floodway run --rate -h", "floodway run --rate -h"),
            ("floodway run --rate 5k -- -w -2", "floodway run --rate 5k -- -w -2"),
        ] {
            assert_eq!(join(typed), meant);
        }
        assert!(contains(&split_words("floodway run --rate=5 --seed 3"), "--seed"));
        assert!(!contains(&split_words("floodway run --rates 5 -- --rate 5"), "--rate"));
    }
}
