//! `--task function:DIR`: the task is a function in a folder, in whatever language it is.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::args::RunArgs;
use super::function_folder;
use super::given::Given;
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
        let options = ["--processes", "--records", "--log-functions"];
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

/// Returns the number of processors.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Sets how much work a request has, so that its last record is in time, and how many processes of the local Lambda this
/// machine has room for.
pub(super) fn limit_requests(sending: &mut Sending, deadline: Duration, given: &Given) {
    /// More take the processors from each other while they start, which makes them late, and so more are started.
    const EACH_CORE: usize = 8;
    /// The share of the deadline. The rest is for the network, for a cold start, and for what is in flight already.
    const PART: u32 = 5;
    sending.bridge.batch_work = Some(deadline / PART);
    if let (Endpoint::Embedded(_), None) = (&sending.endpoint, given.value("--max-in-flight")) {
        let bridge = &mut sending.bridge;
        bridge.max_in_flight = bridge.max_in_flight.min(EACH_CORE * cores());
        bridge.initial_in_flight = bridge.initial_in_flight.min(bridge.max_in_flight);
    }
}

/// Returns the settings of the processes that are the local side of the task.
pub(super) fn pool(args: &RunArgs, package: Package, sending: &Sending) -> PoolSettings {
    let memory_mb = match &sending.endpoint {
        Endpoint::Embedded(model) => model.memory_mb,
        Endpoint::Remote(_) => Model::default().memory_mb,
    };
    PoolSettings {
        package,
        processes: args.options.processes.unwrap_or_else(cores),
        max_records: sending.bridge.batch_records,
        memory_mb,
        show_output: args.options.log_functions,
    }
}
