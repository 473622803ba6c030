//! `~/` at the beginning of a path, where no shell has replaced it: after `=`, after `files:` and its kin, and in a
//! file of settings.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::UsageError;

/// What stands before the path in the value of some options.
const BEFORE: [&str; 4] = ["lines:", "files:", "trace:", "function:"];

/// `args` with the home folder in place of each `~` that begins a path: those before timely's own.
///
/// # Errors
/// If there is one, and `HOME` does not say where that is.
pub(super) fn expanded(args: Vec<OsString>) -> Result<Vec<OsString>, UsageError> {
    with(args, std::env::var_os("HOME").filter(|home| !home.is_empty()).as_deref())
}

fn with(args: Vec<OsString>, home: Option<&OsStr>) -> Result<Vec<OsString>, UsageError> {
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

/// Where the `~` is that begins a path in this argument, if one does.
fn tilde(arg: &[u8]) -> Option<usize> {
    let option = match arg.starts_with(b"--") {
        true => arg.iter().position(|byte| *byte == b'=')? + 1,
        false => 0,
    };
    let value = &arg[option..];
    let scheme = BEFORE.iter().find(|before| value.starts_with(before.as_bytes()));
    let path = option + scheme.map_or(0, |scheme| scheme.len());
    matches!(&arg[path..], [b'~'] | [b'~', b'/', ..]).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_home_folder_is_one_wherever_it_stands() {
        let expand = |arg: &str| {
            let args = with(vec![arg.into()], Some(OsStr::new("/home/me"))).unwrap();
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
    fn timelys_own_stay_and_without_a_home_it_is_refused() {
        let args = ["run", "--", "~/hosts"].map(OsString::from).to_vec();
        assert_eq!(with(args.clone(), None).unwrap(), args);
        assert!(with(vec!["--out=~/x".into()], None).is_err());
        assert!(with(vec!["out".into()], None).is_ok());
    }
}
