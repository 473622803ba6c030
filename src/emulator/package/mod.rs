//! What is deployed: a folder with a function in Python, Java or anything that is a program, and how a
//! process of it is started.

mod error;
mod java;
mod manifest;
mod provided;
mod python;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use error::PackageError;

use super::server::FUNCTION_NAME;
use crate::units::parse_duration;
use manifest::{Kind, Manifest};

/// A function in a folder, found to be complete.
///
/// The folder says what it is in a `function.toml`, or by what is in it; `docs/local-lambda.md` has both.
/// The function runs under AWS's own runtime client: `awslambdaric` for Python, the runtime interface
/// client for Java, and whatever the program brings along for the rest.
#[derive(Debug)]
pub struct Package {
    runtime: Runtime,
    handler: String,
    /// What AWS would have unpacked to `/var/task`.
    code: PathBuf,
    timeout: Duration,
    init_timeout: Duration,
    region: String,
    environment: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Runtime {
    Python(python::Python),
    Java(java::Java),
    Provided(PathBuf),
}

/// What is chosen for a package, whatever its folder says.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The handler.
    pub handler: Option<String>,
    /// How long an invocation may take; 30 s if nobody says.
    pub timeout: Option<Duration>,
    /// How long a process may take until it asks for its first event, before it is started again: 10 s
    /// as in the cloud.
    pub init_timeout: Option<Duration>,
    /// The region that it is told to be in; `us-east-1` if nobody says.
    pub region: Option<String>,
}

/// A program that the user names. A path is meant from here, and the function runs elsewhere.
fn program(name: OsString) -> PathBuf {
    let name = PathBuf::from(name);
    let is_path = name.components().count() > 1;
    is_path.then(|| std::path::absolute(&name).ok()).flatten().unwrap_or(name)
}

/// AWS's own is 3 s, which is short for a first try.
const TIMEOUT: Duration = Duration::from_secs(30);
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

impl Package {
    /// Reads a folder, and looks whether everything is there: the code, the handler's name, what runs
    /// it.
    ///
    /// # Errors
    /// What is missing or wrong, and what would be right.
    ///
    /// # Examples
    /// ```no_run
    /// use std::net::TcpListener;
    /// use floodway::emulator::{Choices, Model, Package, Server};
    ///
    /// let package = Package::open("functions/python".as_ref(), &Choices::default())?;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let lambda = Server::running(listener, Model::default(), package)?;
    /// println!("{}", lambda.url());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(folder: &Path, choices: &Choices) -> Result<Package, PackageError> {
        let folder = folder
            .canonicalize()
            .map_err(|error| PackageError::Folder { folder: folder.to_owned(), error })?;
        if folder.is_file() {
            return Err(PackageError::File { file: folder });
        }
        let manifest = Manifest::read(&folder, choices.handler.as_deref())?;
        let timeout = match (choices.timeout, &manifest.timeout) {
            (Some(timeout), _) => timeout,
            (None, Some(text)) => {
                parse_duration(text).map_err(|error| manifest.wrong("timeout", error))?
            }
            (None, None) => TIMEOUT,
        };
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(manifest.wrong("timeout", "expected more than 0 and at most 900s"));
        }
        let handler = choices.handler.clone().or_else(|| manifest.handler.clone());
        let needed = |example: &str| {
            handler.clone().filter(|handler| !handler.is_empty()).ok_or_else(|| {
                PackageError::Handler { folder: folder.clone(), example: example.to_owned() }
            })
        };
        let code = manifest.code()?;
        let (runtime, handler, root) = match manifest.runtime {
            Kind::Python => {
                let handler = needed("lambda_function.lambda_handler")?;
                let python = python::Python::find(&code, &handler)?;
                (Runtime::Python(python), handler, code)
            }
            Kind::Java => {
                let handler = needed("package.Class::method")?;
                let root = if code.is_dir() { code.clone() } else { folder.clone() };
                let java = java::Java::find(&manifest, &code)?;
                (Runtime::Java(java), handler, root)
            }
            Kind::Provided => {
                let bootstrap = provided::find(&manifest, &code)?;
                let root = bootstrap.parent().unwrap_or(&folder).to_owned();
                (Runtime::Provided(bootstrap), handler.unwrap_or_else(|| "bootstrap".into()), root)
            }
        };
        Ok(Package {
            runtime,
            handler,
            code: root,
            timeout,
            init_timeout: choices.init_timeout.unwrap_or(INIT_TIMEOUT),
            region: choices.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            environment: manifest.environment,
        })
    }

    /// How long an invocation may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn init_timeout(&self) -> Duration {
        self.init_timeout
    }

    /// What the function is called.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:123456789012:function:{FUNCTION_NAME}", self.region)
    }

    /// What starts a process that asks `api` for events.
    pub(super) fn command(&self, api: SocketAddr, memory_mb: u32) -> Command {
        use std::os::unix::process::CommandExt as _;

        let mut command = match &self.runtime {
            Runtime::Python(python) => python.command(&self.handler),
            Runtime::Java(java) => java.command(&self.handler, memory_mb),
            Runtime::Provided(bootstrap) => Command::new(bootstrap),
        };
        command.env_clear().envs(self.variables(api, memory_mb));
        // A group of its own: what it forks dies with it.
        command.process_group(0).current_dir(&self.code).stdin(Stdio::null());
        command
    }
}

/// AWS's longest.
const MAX_TIMEOUT: Duration = Duration::from_secs(900);
