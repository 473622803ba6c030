//! Starts timely's workers, once all processes of the run are connected.

use std::any::Any;
use std::net::TcpStream;

use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks, WorkerGuards};
use timely::worker::Worker;
use timely::{CommunicationConfig, execute};

use super::mesh::Mesh;
use super::{RunError, Stop, TimelySettings};

/// Runs `work` on each worker of this process. Returns none if the run was asked to stop before all processes
/// were there.
///
/// # Errors
/// If the workers cannot be started.
pub(super) fn start<T: Send + 'static>(
    timely: &TimelySettings,
    mesh: Option<Mesh>,
    stop: &Stop,
    work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
) -> Result<Option<WorkerGuards<T>>, RunError> {
    let (allocators, others) = match mesh {
        None => alone(timely).try_build().map_err(RunError::Timely)?,
        Some(mesh) => match mesh.connect(stop)? {
            Some(links) => allocators(timely, links)?,
            None => return Ok(None),
        },
    };
    let guards = execute::execute_from(allocators, others, timely.worker.clone(), work);
    guards.map(Some).map_err(RunError::Worker)
}

/// Returns the configuration of a single process.
fn alone(timely: &TimelySettings) -> CommunicationConfig {
    match (timely.workers, timely.is_zerocopy) {
        (1, _) => CommunicationConfig::Thread,
        (workers, false) => CommunicationConfig::Process(workers),
        (workers, true) => CommunicationConfig::ProcessBinary(workers),
    }
}

/// The allocators of one of several processes, and the owner of its communication threads.
type Allocators = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

fn allocators(
    timely: &TimelySettings,
    links: Vec<Option<TcpStream>>,
) -> Result<Allocators, RunError> {
    let (workers, hooks) = (timely.workers, Hooks::default());
    let build = match timely.is_zerocopy {
        false => ProcessBuilder::new_typed_vector,
        true => ProcessBuilder::new_bytes_vector,
    };
    let within = build(workers, hooks.refill.clone(), hooks.spill.clone());
    let built = initialize_networking_from_sockets(within, links, timely.process, workers, hooks);
    let (builders, threads) = built.map_err(|error| RunError::Timely(error.to_string()))?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(threads)))
}
