//! Expands `~/` at the beginning of a path where no shell has done so: after `=`, after `files:` and the
//! like, and in a file of settings.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::UsageError;

/// The prefixes of paths in the values of options.
const PATH_PREFIXES: [&str; 4] = ["lines:", "files:", "trace:", "function:"];

/// Returns `args` with the home folder in place of each `~` that begins a path. Timely's arguments stay.
///
/// # Errors
/// If there is a `~`, and `HOME` is not set.
pub(super) fn expand_all(args: Vec<OsString>) -> Result<Vec<OsString>, UsageError> {
    expand_with(args, std::env::var_os("HOME").filter(|home| !home.is_empty()).as_deref())
}

fn expand_with(args: Vec<OsString>, home: Option<&OsStr>) -> Result<Vec<OsString>, UsageError> {
    let mut own = true;
    let expand = |arg: OsString| {
        own &= arg != "--";
        let Some(at) = tilde(arg.as_bytes()).filter(|_| own) else { return Ok(arg) };
        let (before, rest) = arg.as_bytes().split_at(at);
        let Some(home) = home else {
            let why = "~ is the home folder, and HOME is not set: name the folder";
            return Err(UsageError::new("HOME", arg.to_string_lossy(), why));
        };
        let expanded = [before, home.as_bytes(), rest.strip_prefix(b"~").unwrap_or(rest)].concat();
        Ok(OsString::from_vec(expanded))
    };
    args.into_iter().map(expand).collect()
}

/// Returns the position of the `~` that begins a path in this argument, if there is one.
fn tilde(arg: &[u8]) -> Option<usize> {
    let option = match arg.starts_with(b"--") {
        true => arg.iter().position(|byte| *byte == b'=')? + 1,
        false => 0,
    };
    let value = &arg[option..];
    let scheme = PATH_PREFIXES.iter().find(|before| value.starts_with(before.as_bytes()));
    let path = option + scheme.map_or(0, |scheme| scheme.len());
    matches!(&arg[path..], [b'~'] | [b'~', b'/', ..]).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_expanded_wherever_a_path_begins() {
        let expand = |arg: &str| {
            let args = expand_with(vec![arg.into()], Some(OsStr::new("/home/me"))).unwrap();
            args[0].to_str().unwrap().to_owned()
        };
        for (given, meant) in [
            ("~/out", "/home/me/out"),
            ("~", "/home/me"),
            ("--out=~/out", "/home/me/out"),
            ("files:~/out?sync=none", "files:/home/me/out?sync=none"),
            ("--sink=files:~/out", "files:/home/me/out"),
            ("--source=lines:~/*.log", "lines:/home/me/*.log"),
            ("--shape=trace:~/t.csv", "trace:/home/me/t.csv"),
        ] {
            let option = given.find('=').filter(|_| given.starts_with("--")).map_or(0, |at| at + 1);
            assert_eq!(expand(given), format!("{}{meant}", &given[..option]));
        }
        for other in ["./~/out", "--out=./~/out", "~me/out", "--out", "a~/b", "files:out~/"] {
            assert_eq!(expand(other), other);
        }
    }

    #[test]
    fn timelys_arguments_are_not_expanded_and_a_missing_home_is_an_error() {
        let args = ["run", "--", "~/hosts"].map(OsString::from).to_vec();
        assert_eq!(expand_with(args.clone(), None).unwrap(), args);
        assert!(expand_with(vec!["--out=~/x".into()], None).is_err());
        assert!(expand_with(vec!["out".into()], None).is_ok());
    }
}
