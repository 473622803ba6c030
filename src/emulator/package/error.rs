//! Errors of a function folder.

use std::io;
use std::path::PathBuf;

/// Why a folder is not a function that can run here.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The folder cannot be read.
    #[error("{} cannot be read", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        #[source]
        error: io::Error,
    },
    /// The path is a file.
    #[error("{} is a file: give the folder that it is in, {}", file.display(), file.parent().unwrap_or(file).display())]
    File {
        /// The file.
        file: PathBuf,
    },
    /// Nothing in the folder says what kind of function it is.
    #[error(
        "{} holds no function: looked for function.toml, an executable bootstrap, \
         lambda_function.py, and a single .jar", folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder's `function.toml` is not valid.
    #[error("{}: {what}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The wrong key, and what would be right.
        what: String,
    },
    /// A file that the folder names does not exist.
    #[error("{} is not there{}", path.display(), hint(build))]
    Missing {
        /// The missing file.
        path: PathBuf,
        /// The command that builds it.
        build: Option<String>,
    },
    /// No handler is named.
    #[error("{} has no handler: give one with --handler, such as {example}, or as `handler` in function.toml", folder.display())]
    Handler {
        /// The folder.
        folder: PathBuf,
        /// An example of a handler.
        example: String,
    },
    /// The code does not contain the handler.
    #[error("the handler {handler}: {what}")]
    NoHandler {
        /// The handler.
        handler: String,
        /// What was searched for.
        what: String,
    },
    /// The function's program cannot run.
    #[error("{} {what}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no interpreter for the function.
    #[error("{0}")]
    Interpreter(String),
}

fn hint(build: &Option<String>) -> String {
    build.as_ref().map(|build| format!(": build it with `{build}`")).unwrap_or_default()
}

impl PackageError {
    /// Returns whether the machine lacks something, and not the folder.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, PackageError::Interpreter(_))
    }
}
