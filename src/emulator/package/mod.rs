//! Function folders: a folder with a function in Python, Java or Node.js, or as any other program, and how its
//! processes are started.

mod error;
mod fingerprint;
mod java;
mod manifest;
mod node;
mod provided;
mod python;
mod task_name;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use error::PackageError;
pub(crate) use task_name::task_name;

use super::server::FUNCTION_NAME;
use crate::quota::check_timeout;
use crate::units::parse_duration;
use manifest::{Kind, Manifest};

/// A complete function in a folder.
///
/// The folder says what it is in a `function.toml`, or by its contents; `docs/local-lambda.md` describes
/// both. The function runs under AWS's own runtime client: `awslambdaric` for Python, the runtime interface
/// client for Java, and the program's own client otherwise. For Node.js Floodway has a client of its own.
#[derive(Clone, Debug)]
pub struct Package {
    runtime: Runtime,
    task: String,
    handler: String,
    /// The folder that AWS would unpack to `/var/task`.
    code: PathBuf,
    timeout: Duration,
    init_timeout: Duration,
    region: String,
    environment: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
enum Runtime {
    Python(python::Python),
    Java(java::Java),
    Node(node::Node),
    Provided(PathBuf),
}

/// Settings of a package that override those of its folder.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The handler.
    pub handler: Option<String>,
    /// Longest time of an invocation; 30 s by default.
    pub timeout: Option<Duration>,
    /// Longest time until a process asks for its first event; after it the process is started again. The
    /// default is 10 s, as in the cloud.
    pub init_timeout: Option<Duration>,
    /// The region that the function is told; `us-east-1` by default.
    pub region: Option<String>,
}

/// Resolves a program that the user names. Its path is relative to the present folder, and the function runs
/// in another one.
fn program(name: OsString) -> PathBuf {
    let name = PathBuf::from(name);
    let is_path = name.components().count() > 1;
    is_path.then(|| std::path::absolute(&name).ok()).flatten().unwrap_or(name)
}

/// Default timeout. AWS's own default is 3 s, which is short for a first try.
const TIMEOUT: Duration = Duration::from_secs(30);
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

impl Package {
    /// Reads a folder, and checks that it is complete: the code, the name of the handler, and what runs it.
    ///
    /// # Errors
    /// If something is missing or wrong. The error says what would be right.
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
        check_timeout(timeout).map_err(|why| manifest.wrong("timeout", why))?;
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
            Kind::Node => {
                let handler = needed("index.handler")?;
                let node = node::Node::find(&code, &handler)?;
                (Runtime::Node(node), handler, code)
            }
            Kind::Provided => {
                let bootstrap = provided::find(&manifest, &code)?;
                let root = bootstrap.parent().unwrap_or(&folder).to_owned();
                (Runtime::Provided(bootstrap), handler.unwrap_or_else(|| "bootstrap".into()), root)
            }
        };
        Ok(Package {
            runtime,
            task: manifest.task.unwrap_or_else(|| task_name(&folder)),
            handler,
            code: root,
            timeout,
            init_timeout: choices.init_timeout.unwrap_or(INIT_TIMEOUT),
            region: choices.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            environment: manifest.environment,
        })
    }

    /// Returns the name of the task that the function computes: `task` in `function.toml`, or the folder's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Returns the longest time of an invocation.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn init_timeout(&self) -> Duration {
        self.init_timeout
    }

    /// Returns the ARN of the function.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:123456789012:function:{FUNCTION_NAME}", self.region)
    }

    /// Returns the command that starts a process, which asks `api` for events.
    pub(super) fn command(&self, api: SocketAddr, memory_mb: u32) -> Command {
        use std::os::unix::process::CommandExt as _;

        let mut command = match &self.runtime {
            Runtime::Python(python) => python.command(&self.handler),
            Runtime::Java(java) => java.command(&self.handler, memory_mb),
            Runtime::Node(node) => node.command(&self.handler, memory_mb),
            Runtime::Provided(bootstrap) => Command::new(bootstrap),
        };
        command.env_clear().envs(self.variables(api, memory_mb));
        // The process has a group of its own, so that its children end with it.
        command.process_group(0).current_dir(&self.code).stdin(Stdio::null());
        command
    }
}
