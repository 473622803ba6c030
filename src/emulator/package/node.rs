//! Functions in Node.js, under a runtime client of Floodway's own. AWS's client has to be compiled, for minutes and by
//! tools that few users of Node.js have (`docs/adr/0018-a-client-of-its-own-for-node.md`).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PackageError, program};

/// A Node.js that is new enough.
#[derive(Clone, Debug)]
pub(super) struct Node {
    program: PathBuf,
    /// The major version, such as 20.
    pub version: u32,
}

/// The variable that names a program, instead of the one in the PATH.
const VARIABLE: &str = "FLOODWAY_NODE";
/// Oldest version that the client runs on: `node --test` and templates need it too.
const OLDEST: u32 = 18;
/// The client. It is passed on the command line, so that there is no file that could be missing.
const CLIENT: &str = include_str!("node_client.mjs");
/// Suffixes of a module, in the order in which the client looks for them.
const SUFFIXES: [&str; 3] = [".mjs", ".js", ".cjs"];

impl Node {
    /// Finds the program and the handler's module.
    pub(super) fn find(code: &Path, handler: &str) -> Result<Node, PackageError> {
        module(code, handler)?;
        let chosen = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let program = chosen.clone().map_or_else(|| "node".into(), program);
        let source = match chosen {
            Some(_) => format!("{} ({VARIABLE})", program.display()),
            None => "node (the one on PATH)".to_owned(),
        };
        let get = format!("Install Node.js {OLDEST} or newer, or name its program in {VARIABLE}");
        let no =
            |why: String| PackageError::Interpreter(format!("no Node.js: {source} {why}. {get}"));
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(|error| no(format!("cannot be run ({error})")))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let major = text.strip_prefix('v').and_then(|text| text.split('.').next()?.parse().ok());
        match major {
            Some(version) if version >= OLDEST => Ok(Node { program, version }),
            Some(_) => Err(no(format!("is {text}"))),
            None => Err(no("does not say its version with --version".to_owned())),
        }
    }

    /// Returns the command that starts a process as AWS does: most of the memory is heap.
    pub(super) fn command(&self, handler: &str, memory_mb: u32) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("--max-old-space-size={}", u64::from(memory_mb) * 90 / 100));
        command.args(["--input-type=module", "--eval", CLIENT, "--", handler]);
        command
    }
}

/// Finds the file of `module.function` or `folder/module.function`.
fn module(code: &Path, handler: &str) -> Result<(), PackageError> {
    let no = |what: String| PackageError::NoHandler { handler: handler.to_owned(), what };
    let (module, function) = handler.rsplit_once('.').unwrap_or_default();
    if module.is_empty() || function.is_empty() {
        return Err(no("expected module.function, such as index.handler".into()));
    }
    if SUFFIXES.iter().any(|suffix| code.join(format!("{module}{suffix}")).is_file()) {
        return Ok(());
    }
    let file = code.join(format!("{module}{}", SUFFIXES[0]));
    Err(no(format!("{} is not there, and no {module}.js or {module}.cjs", file.display())))
}
