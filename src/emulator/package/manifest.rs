//! What a folder says about its function: in `function.toml`, or by its contents.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{PackageError, provided, task_name};

/// The runtime of AWS that a function is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Python,
    Java,
    Node,
    Provided,
}

/// The contents of `function.toml`. Paths are relative to its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub runtime: Kind,
    /// Name of the task that the function computes.
    pub task: Option<String>,
    pub handler: Option<String>,
    code: Option<PathBuf>,
    runtime_jars: Option<PathBuf>,
    /// The command that builds the code.
    pub build: Option<String>,
    pub timeout: Option<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(skip)]
    pub folder: PathBuf,
}

const FILE: &str = "function.toml";

impl Manifest {
    /// Reads the manifest. Without a `function.toml`, the contents of the folder decide; a jar needs a
    /// handler.
    pub(super) fn read(folder: &Path, handler: Option<&str>) -> Result<Manifest, PackageError> {
        let file = folder.join(FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Manifest::detect(folder, handler);
            }
            Err(error) => return Err(PackageError::Folder { folder: file, error }),
        };
        let read: Result<Manifest, _> = toml::from_str(&text);
        let mut manifest = read.map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            PackageError::Manifest { file, what: format!("{line}{}", error.message()) }
        })?;
        manifest.folder = folder.to_owned();
        if manifest.runtime_jars.is_some() && manifest.runtime != Kind::Java {
            return Err(manifest.wrong("runtime_jars", "is for the runtime java"));
        }
        if let Some(task) = &manifest.task {
            task_name::check(task).map_err(|error| manifest.wrong("task", error))?;
        }
        Ok(manifest)
    }

    fn detect(folder: &Path, handler: Option<&str>) -> Result<Manifest, PackageError> {
        let of = |runtime, handler: Option<&str>, code: &str| Manifest {
            runtime,
            task: None,
            handler: handler.map(str::to_owned),
            code: Some(code.into()),
            runtime_jars: None,
            build: None,
            timeout: None,
            environment: BTreeMap::new(),
            folder: folder.to_owned(),
        };
        if provided::is_executable(&folder.join(provided::NAME)) {
            return Ok(of(Kind::Provided, handler, provided::NAME));
        }
        if folder.join("lambda_function.py").is_file() {
            let handler = handler.unwrap_or("lambda_function.lambda_handler");
            return Ok(of(Kind::Python, Some(handler), "."));
        }
        let entries = fs::read_dir(folder)
            .map_err(|error| PackageError::Folder { folder: folder.to_owned(), error })?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut jars = names.filter_map(|name| name.into_string().ok());
        let mut jars = jars.by_ref().filter(|name| name.ends_with(".jar"));
        if let (Some(jar), None) = (jars.next(), jars.next()) {
            return Ok(of(Kind::Java, handler, &jar));
        }
        Err(PackageError::Nothing { folder: folder.to_owned() })
    }

    /// Returns the path of the code, which exists.
    pub(super) fn code(&self) -> Result<PathBuf, PackageError> {
        let code = self.code.clone().unwrap_or_else(|| ".".into());
        self.existing(&code)
    }

    /// Returns the path of the runtime's jars, if they are not with the code.
    pub(super) fn runtime_jars(&self) -> Result<Option<PathBuf>, PackageError> {
        self.runtime_jars.as_ref().map(|jars| self.existing(jars)).transpose()
    }

    fn existing(&self, path: &Path) -> Result<PathBuf, PackageError> {
        let path = self.folder.join(path);
        path.canonicalize().map_err(|_| PackageError::Missing { path, build: self.build.clone() })
    }

    /// Returns an error for the value of a key.
    pub(super) fn wrong(&self, key: &str, what: impl Display) -> PackageError {
        PackageError::Manifest { file: self.folder.join(FILE), what: format!("{key}: {what}") }
    }
}
