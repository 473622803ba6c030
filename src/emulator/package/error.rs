//! What is wrong with a folder.

use std::io;
use std::path::PathBuf;

/// Why a folder is no function that can be run here.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It is not there.
    #[error("{} cannot be read", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is a file.
    #[error("{} is a file: give the folder that it is in, {}", file.display(), file.parent().unwrap_or(file).display())]
    File {
        /// The file.
        file: PathBuf,
    },
    /// Nothing in it says what it is.
    #[error(
        "{} holds no function: looked for function.toml, an executable bootstrap, \
         lambda_function.py, and a single .jar", folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// Its `function.toml` is wrong.
    #[error("{}: {what}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The key, and what would be right.
        what: String,
    },
    /// What it names is not there.
    #[error("{} is not there{}", path.display(), hint(build))]
    Missing {
        /// What.
        path: PathBuf,
        /// The command that makes it.
        build: Option<String>,
    },
    /// There is no name of a handler.
    #[error("{} has no handler: give one with --handler, such as {example}, or as `handler` in function.toml", folder.display())]
    Handler {
        /// The folder.
        folder: PathBuf,
        /// What one looks like.
        example: String,
    },
    /// The code has no such handler.
    #[error("the handler {handler}: {what}")]
    NoHandler {
        /// The handler.
        handler: String,
        /// What was looked for.
        what: String,
    },
    /// The program of a function cannot be run.
    #[error("{} {what}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no interpreter for it.
    #[error("{0}")]
    Interpreter(String),
}

fn hint(build: &Option<String>) -> String {
    build.as_ref().map(|build| format!(": build it with `{build}`")).unwrap_or_default()
}

impl PackageError {
    /// Whether the machine lacks something, rather than the folder.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, PackageError::Interpreter(_))
    }
}
