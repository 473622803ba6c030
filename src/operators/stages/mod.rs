//! Several burst operators in one dataflow, and which of them is the bottleneck ([`crate::stage_needs`]).

mod load;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Observer, Route};
use crate::batch::{Nanos, Span};
use crate::stage_totals::StageTotals;
pub use load::{ChainLoad, StageLoad};
use load::{StageInterval, loads};

/// The burst operators of a chain, in the order of the stream. Each has a name, under which it is observed. A
/// clone is cheap and shares the counts. All workers of a process use clones, with the same names.
///
/// The chain has no branches: an operator receives what the previous one emits, through any number of
/// operators of other kinds.
///
/// # Examples
/// ```
/// use floodway::operators::{Burst, BurstExt, Stages};
/// use floodway::task;
/// use timely::dataflow::operators::ToStream;
/// use timely::dataflow::operators::vec::Map;
///
/// let stages = Stages::new();
/// let of_workers = stages.clone();
/// timely::execute_directly(move |worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let next = task::function("next", |n: &u64| Ok(n + 1));
///         let square = task::function("square", |n: &u64| Ok(n * n));
///         (0..1000u64)
///             .to_stream(scope)
///             .container::<Vec<_>>()
///             .burst(next, Burst::local().observer(of_workers.observer("next")))
///             .0
///             .flat_map(|n| [n, n])
///             .burst(square, Burst::local().observer(of_workers.observer("square")));
///     });
/// });
/// let loads = stages.measure();
/// assert_eq!((loads.stages[0].received, loads.stages[1].received), (1_000, 2_000));
/// println!("{loads}");
/// ```
#[derive(Clone, Debug)]
pub struct Stages(Arc<Mutex<Chain>>);

#[derive(Debug)]
struct Chain {
    stages: Vec<Stage>,
    measured_at: Instant,
}

#[derive(Debug)]
struct Stage {
    name: String,
    /// The counters of each worker.
    counters: Vec<Arc<Counters>>,
    /// The counters' values at the last measurement.
    before: StageTotals,
    /// Useful time per record, as known at the last measurement.
    cost: Option<Duration>,
}

/// Counters of one worker at a stage.
#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    local: AtomicU64,
    remote: AtomicU64,
    bad: AtomicU64,
    held: AtomicU64,
    in_flight: AtomicU64,
    worked: AtomicU64,
    useful_ns: AtomicU64,
    picodollars: AtomicU64,
}

/// Picodollars in a dollar.
const PICODOLLARS: f64 = 1e12;

impl Stages {
    /// Creates a chain without stages.
    pub fn new() -> Self {
        Stages(Arc::new(Mutex::new(Chain { stages: Vec::new(), measured_at: Instant::now() })))
    }

    /// Returns a worker's observer of the operator `name`. The first worker's calls define the order of the
    /// stages, so call it from the source to the sink while the dataflow is built.
    pub fn observer<T: 'static>(&self, name: &str) -> impl Observer<T> + use<T> {
        let counters = Arc::new(Counters::default());
        self.with_chain(|chain| {
            let stages = &mut chain.stages;
            let at = stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
                let (name, before) = (name.to_owned(), StageTotals::default());
                stages.push(Stage { name, counters: Vec::new(), before, cost: None });
                stages.len() - 1
            });
            stages[at].counters.push(Arc::clone(&counters));
        });
        StageObserver(counters)
    }

    /// Returns what each stage did since the last measurement, or since the beginning.
    pub fn measure(&self) -> ChainLoad {
        self.with_chain(|chain| {
            let now = Instant::now();
            let time = now - std::mem::replace(&mut chain.measured_at, now);
            let seen = chain.stages.iter_mut().map(|stage| {
                let after = totals(&stage.counters);
                let before = std::mem::replace(&mut stage.before, after);
                let (name, workers) = (stage.name.clone(), stage.counters.len());
                StageInterval { name, workers, before, after, cost: stage.cost }
            });
            let loads = loads(seen, time);
            for (stage, load) in chain.stages.iter_mut().zip(&loads.stages) {
                stage.cost = load.cost;
            }
            loads
        })
    }

    /// Returns the name of each stage, and what was done at it since the beginning.
    pub(crate) fn totals(&self) -> Vec<(String, StageTotals)> {
        let of = |stage: &Stage| (stage.name.clone(), totals(&stage.counters));
        self.with_chain(|chain| chain.stages.iter().map(of).collect())
    }

    fn with_chain<R>(&self, act: impl FnOnce(&mut Chain) -> R) -> R {
        // The data is consistent between two calls, even if a thread panicked.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Stages {
    fn default() -> Self {
        Stages::new()
    }
}

/// Returns what all workers did at a stage.
fn totals(counters: &[Arc<Counters>]) -> StageTotals {
    let mut sum = StageTotals::default();
    counters.iter().for_each(|counters| sum.add(&counters.read()));
    sum
}

impl Counters {
    fn read(&self) -> StageTotals {
        StageTotals {
            received: self.received.load(Relaxed),
            local: self.local.load(Relaxed),
            remote: self.remote.load(Relaxed),
            bad: self.bad.load(Relaxed),
            held: self.held.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            worked: self.worked.load(Relaxed),
            useful_ns: self.useful_ns.load(Relaxed),
            usd: self.picodollars.load(Relaxed) as f64 / PICODOLLARS,
        }
    }
}

/// Observer that counts what one worker does at a stage.
struct StageObserver(Arc<Counters>);

impl<T: 'static> Observer<T> for StageObserver {
    fn received(&mut self, records: usize) {
        self.0.received.fetch_add(records as u64, Relaxed);
    }

    fn results(&mut self, _: &T, path: Route, _: Span, records: usize, _: Nanos) {
        let count = if path.is_remote() { &self.0.remote } else { &self.0.local };
        count.fetch_add(records as u64, Relaxed);
    }

    fn bad(&mut self, records: usize) {
        self.0.bad.fetch_add(records as u64, Relaxed);
    }

    fn computed(&mut self, records: usize, time: Duration) {
        self.0.worked.fetch_add(records as u64, Relaxed);
        self.0.useful_ns.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    fn paid(&mut self, usd: f64) {
        self.0.picodollars.fetch_add((usd * PICODOLLARS) as u64, Relaxed);
    }

    fn backlog(&mut self, queued: usize, in_flight: usize) {
        self.0.held.store((queued + in_flight) as u64, Relaxed);
        self.0.in_flight.store(in_flight as u64, Relaxed);
    }
}
