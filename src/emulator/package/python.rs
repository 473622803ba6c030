//! Functions in Python, under AWS's `awslambdaric`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PackageError, program};

/// A Python interpreter that has `awslambdaric`.
#[derive(Clone, Debug)]
pub(super) struct Python {
    pub interpreter: PathBuf,
    /// The version, such as 3.11.
    pub version: String,
}

/// The variable that names an interpreter, instead of the one in the PATH.
const VARIABLE: &str = "FLOODWAY_PYTHON";

/// A program that prints the version first, which works even without the client.
const PROBE: &str = "import sys; print('%d.%d' % sys.version_info[:2], flush=True); import awslambdaric, runtime_client";

impl Python {
    /// Finds an interpreter and the handler's module.
    pub(super) fn find(code: &Path, handler: &str) -> Result<Python, PackageError> {
        module(code, handler)?;
        let chosen = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let interpreter = chosen.clone().map_or_else(|| "python3".into(), program);
        let (source, advice) = match chosen {
            Some(_) => (
                format!("{} ({VARIABLE})", interpreter.display()),
                format!(
                    "Set {VARIABLE} to the path of a Python interpreter, or unset it: then the python3 on PATH is used"
                ),
            ),
            None => (
                "python3 (the one on PATH)".to_owned(),
                format!("Install Python 3, or name an interpreter in {VARIABLE}"),
            ),
        };
        let mut probe = Command::new(&interpreter);
        probe.args(["-c", PROBE]).env("PYTHONPATH", code).current_dir(code);
        let probed = probe.output().map_err(|error| {
            PackageError::Interpreter(format!(
                "no Python: {source} cannot be run ({error}). {advice}"
            ))
        })?;
        let version = String::from_utf8_lossy(&probed.stdout).trim().to_owned();
        if !probed.status.success() {
            let stderr = String::from_utf8_lossy(&probed.stderr).into_owned();
            let why = stderr.lines().last().unwrap_or("it says nothing").to_owned();
            return Err(PackageError::Interpreter(format!(
                "{source} has no awslambdaric, AWS's runtime client for Python ({why}). Get it with \
                 `{} -m pip install awslambdaric`, or name an interpreter that has it in {VARIABLE}",
                interpreter.display()
            )));
        }
        Ok(Python { interpreter, version })
    }

    pub(super) fn command(&self, handler: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.args(["-m", "awslambdaric", handler]);
        command
    }
}

/// Finds the file of `module.function` or `package/module.function`.
fn module(code: &Path, handler: &str) -> Result<(), PackageError> {
    let no = |what: String| PackageError::NoHandler { handler: handler.to_owned(), what };
    let (module, function) = handler.rsplit_once('.').unwrap_or_default();
    if module.is_empty() || function.is_empty() {
        return Err(no("expected module.function, such as lambda_function.lambda_handler".into()));
    }
    let path = code.join(module.replace('.', "/"));
    let file = path.with_extension("py");
    // A module may be compiled: its name begins with this prefix and may have any suffix.
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let folder = path.parent().unwrap_or(code);
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let beside = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    if path.is_dir() || beside.into_iter().any(|name| name.starts_with(&prefix)) {
        return Ok(());
    }
    Err(no(format!("{} is not there", file.display())))
}
