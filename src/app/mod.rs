//! A program of one's own: a dataflow with the command line of `floodway`.

mod serve;

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{self, Program};
use crate::job::{BuildError, Graph, Job, Lines, Output};

/// A program without a dataflow. It is made by [`app`].
pub struct App {
    name: &'static str,
    version: Option<&'static str>,
}

/// Begins a program with the command line of `floodway`, for a dataflow of its own.
///
/// # Examples
/// Clicks are JSON lines. A stage computes a title for each, on a worker or by AWS Lambda:
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
    App { name, version: None }
}

impl App {
    /// Sets the version of the program, such as `env!("CARGO_PKG_VERSION")`. A function of another version is refused,
    /// because it may compute something else.
    pub fn version(self, version: &'static str) -> Self {
        App { version: Some(version), ..self }
    }

    /// Sets the dataflow between the source and the sink. `build` is called on each worker, and once before
    /// that in each process to find out what its stages are.
    pub fn dataflow<F>(self, build: F) -> Runnable
    where
        F: for<'scope> Fn(&mut Job<'scope>, Lines<'scope>) -> Result<Output<'scope>, BuildError>
            + Send
            + Sync
            + 'static,
    {
        self.dataflow_with(move |job, lines, (): &()| build(job, lines))
    }

    /// Does the same for a dataflow with options of its own, which stand beside those of `run`, `compare`, `explain`,
    /// `check` and `lambda`. The output depends on them: a run with other values does not resume a state. Where AWS Lambda
    /// starts the program there is no command line, so each option needs a default.
    ///
    /// # Examples
    /// ```no_run
    /// #[derive(clap::Args)]
    /// struct Options {
    ///     /// Length from which a line is long.
    ///     #[arg(long, default_value_t = 80)]
    ///     long: usize,
    /// }
    ///
    /// fn main() -> std::process::ExitCode {
    ///     floodway::app("long")
    ///         .dataflow_with(|job, lines, options: &Options| {
    ///             let long = options.long;
    ///             let lengths = job.parse(lines, |line| Ok(line.len()));
    ///             let judged = job.burst("judge", lengths, move |length| Ok(*length >= long));
    ///             Ok(job.json_lines(judged))
    ///         })
    ///         .main()
    /// }
    /// ```
    pub fn dataflow_with<A, F>(self, build: F) -> Runnable
    where
        A: clap::Args + Send + Sync + 'static,
        F: for<'scope> Fn(
                &mut Job<'scope>,
                Lines<'scope>,
                &A,
            ) -> Result<Output<'scope>, BuildError>
            + Send
            + Sync
            + 'static,
    {
        let build = Arc::new(build);
        let make = move |options: A| {
            let build = Arc::clone(&build);
            graph(move |job, lines| build(job, lines, &options))
        };
        Runnable(Program::own(self.name, self.version, make))
    }
}

/// Returns a closure as a graph. Its parameters have their types from here.
fn graph<F>(build: F) -> Arc<dyn Graph>
where
    F: for<'scope> Fn(&mut Job<'scope>, Lines<'scope>) -> Result<Output<'scope>, BuildError>
        + Send
        + Sync
        + 'static,
{
    Arc::new(build)
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
