//! A program of one's own: a dataflow with the command line of `floodway`.

mod serve;

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{self, Program};
use crate::job::{BuildError, Graph, Job, Lines, Output};

/// A program without a dataflow. It is made by [`app`].
pub struct App {
    name: &'static str,
}

/// Begins a program with the command line of `floodway`, for a dataflow of its own.
///
/// # Examples
/// Clicks are JSON lines. A page is fetched for each, by AWS Lambda where a worker would be too late:
/// ```no_run
/// use floodway::task::Code;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Deserialize, Serialize)]
/// struct Click {
///     user: String,
///     page: String,
/// }
///
/// fn main() -> std::process::ExitCode {
///     floodway::app("clicks")
///         .dataflow(|job, lines| {
///             let clicks = job.json::<Click>(lines);
///             let pages = job.burst("fetch", clicks, |click| {
///                 let title = click.page.strip_prefix("/").ok_or(Code("no_page".into()))?;
///                 Ok(title.to_uppercase())
///             });
///             Ok(job.json_lines(pages))
///         })
///         .main()
/// }
/// ```
/// `clicks run --source lines:clicks.jsonl --out titles --policy deadline` runs it.
pub fn app(name: &'static str) -> App {
    App { name }
}

impl App {
    /// Sets the dataflow between the source and the sink. `build` is called on each worker, and once before
    /// the run to find out what its stages are.
    pub fn dataflow<F>(self, build: F) -> Runnable
    where
        F: for<'scope> Fn(&mut Job<'scope>, Lines<'scope>) -> Result<Output<'scope>, BuildError>
            + Send
            + Sync
            + 'static,
    {
        let graph: Arc<dyn Graph> = Arc::new(build);
        Runnable(Program::own(self.name, graph))
    }
}

/// A program that can run.
pub struct Runnable(pub(crate) Program);

impl Runnable {
    /// Runs the command line of the process. Returns how the process ends.
    ///
    /// Where AWS Lambda has started the process, it serves the program's stages instead: the same file is the
    /// program here and the function there.
    pub fn main(self) -> ExitCode {
        if std::env::var_os(serve::RUNTIME).is_some() {
            return self.0.serve(serve::serve);
        }
        cli::main(&self.0, std::env::args_os().collect()).into()
    }
}
