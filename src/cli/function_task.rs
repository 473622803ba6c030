//! `--task function:DIR`: the task is a function in a folder, in whatever language it is.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::args::RunArgs;
use super::function_folder;
use crate::emulator::{Choices, Model, Package};
use crate::pipeline::{Endpoint, FUNCTION, Sending};
use crate::pool::PoolSettings;

/// Returns the folder of the function that `task` names.
pub(super) fn folder(task: &str) -> Option<&Path> {
    task.strip_prefix(FUNCTION).map(Path::new)
}

/// Opens the function that is the task. None if the task is one of Floodway's own, or a user's program has stages.
///
/// # Errors
/// If it is not complete, or an option is given that it has no use for.
pub(super) fn open(args: &RunArgs) -> Result<Option<Package>> {
    let RunArgs { options, given, .. } = args;
    let folder = folder(&options.task).filter(|_| !given.program.is_own());
    let Some(folder) = folder else {
        let options = ["--processes", "--records"];
        return match options.iter().find(|option| given.value(option).is_some()) {
            Some(option) => Err(given.error(option, "is for --task function:DIR").into()),
            None => Ok(None),
        };
    };
    if !options.work.is_zero() {
        let why = "is for the tasks of floodway: a function takes the time that it takes";
        return Err(given.error("--work", why).into());
    }
    /// AWS allows ten seconds. Here a process may load a model, while others start beside it.
    const START: Duration = Duration::from_secs(120);
    let choices = Choices { init_timeout: Some(START), ..Choices::default() };
    function_folder::open(folder, "--task", choices, given).map(Some)
}

/// Sets how much work a request has, so that its last record is in time.
pub(super) fn limit_requests(sending: &mut Sending, deadline: Duration) {
    /// The share of the deadline. The rest is for the network, for a cold start, and for what is in flight already.
    const PART: u32 = 5;
    sending.bridge.batch_work = Some(deadline / PART);
}

/// Returns the settings of the processes that are the local side of the task.
pub(super) fn pool(args: &RunArgs, package: Package, sending: &Sending) -> PoolSettings {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let memory_mb = match &sending.endpoint {
        Endpoint::Embedded(model) => model.memory_mb,
        Endpoint::Remote(_) => Model::default().memory_mb,
    };
    PoolSettings {
        package,
        processes: args.options.processes.unwrap_or_else(cores),
        max_records: sending.bridge.batch_records,
        memory_mb,
    }
}
