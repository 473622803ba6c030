//! The processes of a pool, and the thread that serves them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Pool;
use super::lane::Lane;
use super::verdict::Trust;
use crate::emulator::{FunctionProcess, FunctionProcesses, Package, StartError};
use crate::task::Task;

/// What a pool runs, and how.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The function.
    pub package: Package,
    /// The number of processes.
    pub processes: usize,
    /// The highest number of records in a request.
    pub max_records: usize,
    /// The memory that a process may use, in MB.
    pub memory_mb: u32,
    /// Whether what processes print is shown.
    pub show_output: bool,
}

/// Why a pool does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The system cannot provide a thread.
    #[error("cannot start the processes of the function")]
    Io(#[from] io::Error),
    /// A process does not start.
    #[error(transparent)]
    Start(StartError),
    /// The function has failed for each of the first records.
    #[error("the function fails for every record, and has never answered: {0}")]
    Fails(String),
    /// The code of the task has panicked.
    #[error("the thread of the function's processes has panicked")]
    Panic,
}

/// A pool with its processes, which end when it is dropped.
pub struct ProcessPool {
    pool: Pool,
    processes: Arc<FunctionProcesses>,
    /// Dropping the sender ends the thread.
    alive: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl ProcessPool {
    /// Starts a pool for `task`, and waits until each process asks for work. `failed` is called on the pool's thread if
    /// it cannot go on.
    ///
    /// # Errors
    /// If a process does not start.
    pub fn start<K: Task>(
        settings: PoolSettings,
        task: Arc<K>,
        failed: impl FnOnce(PoolError) + Send + 'static,
    ) -> Result<ProcessPool, PoolError> {
        let PoolSettings { package, processes: number, max_records, memory_mb, show_output } =
            settings;
        let pool = Pool::new(number, max_records);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let processes = Arc::new(FunctionProcesses::new(package, memory_mb, show_output, handle)?);
        let started = runtime.block_on(start(&processes, number)).map_err(PoolError::Start)?;
        let (alive, ended) = oneshot::channel::<()>();
        let (queue, trust) = (pool.queue(task.name()), Arc::new(Trust::default()));
        let lanes: Vec<Lane<K>> = started
            .into_iter()
            .map(|process| {
                let (task, queue) = (Arc::clone(&task), Arc::clone(&queue));
                Lane::new(task, queue, Arc::clone(&processes), Arc::clone(&trust), process)
            })
            .collect();
        let load = Arc::clone(pool.load());
        let serve = move || {
            let error = runtime.block_on(async {
                let mut running = JoinSet::new();
                for lane in lanes {
                    running.spawn(lane.run());
                }
                tokio::select! {
                    // Dropping the sender ends this with an error, which is the signal to end.
                    _ = ended => None,
                    error = running.join_next() => error,
                }
            });
            load.close();
            if let Some(error) = error {
                failed(error.unwrap_or(PoolError::Panic));
            }
        };
        let thread = thread::Builder::new().name("floodway-pool".to_owned()).spawn(serve)?;
        Ok(ProcessPool { pool, processes, alive: Some((alive, thread)) })
    }

    /// Returns the number of processes that were started in place of others: those that had ended, and those in which a
    /// record was to be tried again.
    pub fn restarts(&self) -> u64 {
        self.pool.load().restarts()
    }

    /// Returns the pool, for the workers.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// Starts so many processes side by side.
async fn start(
    processes: &Arc<FunctionProcesses>,
    number: usize,
) -> Result<Vec<FunctionProcess>, StartError> {
    let mut starting = JoinSet::new();
    for _ in 0..number.max(1) {
        let processes = Arc::clone(processes);
        starting.spawn(async move { processes.start().await });
    }
    let mut started = Vec::new();
    while let Some(process) = starting.join_next().await {
        started.push(process.map_err(io::Error::other)??);
    }
    Ok(started)
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.pool.load().close();
        if let Some((alive, thread)) = self.alive.take() {
            drop(alive);
            // A panic of the thread has already been printed.
            let _ = thread.join();
        }
        self.processes.end();
    }
}
