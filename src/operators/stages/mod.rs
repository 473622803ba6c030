//! Several burst operators in a dataflow, and which of them holds the others up.
//!
//! Operators on the same workers share their time: an operator that is slow makes all of them late, and the
//! queue in front of it need not be where the time goes. What says it is the *true rate* of each operator,
//! records a second of the time it is given, against the rate that it would be offered if none held up
//! another (the method is that of DS2, Kalavri et al., OSDI 2018).

mod load;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Observer, Route};
use crate::batch::{Nanos, Span};
pub use load::{ChainLoad, StageLoad};
use load::{StageInterval, Totals, loads};

/// The burst operators of a chain, in the order of the stream: each is watched under a name. Cheap to
/// clone, and shared by the workers of a process, which watch under the same names.
///
/// The chain is a line: what an operator is offered comes from the one before it, through whatever
/// operators of other kinds stand between them.
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
    /// One of each worker.
    counters: Vec<Arc<Counters>>,
    /// What they said when they were last measured_at at.
    before: Totals,
    /// What a record was known to cost then.
    cost: Option<Duration>,
}

/// What one worker does at a stage.
#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    local: AtomicU64,
    remote: AtomicU64,
    bad: AtomicU64,
    held: AtomicU64,
    worked: AtomicU64,
    useful_nanos: AtomicU64,
}

impl Stages {
    /// None yet.
    pub fn new() -> Self {
        Stages(Arc::new(Mutex::new(Chain { stages: Vec::new(), measured_at: Instant::now() })))
    }

    /// A worker's observer of the operator `name`. The first worker's names make the order: they are asked
    /// for as the dataflow is built, from its source to its sink.
    pub fn observer<T: 'static>(&self, name: &str) -> impl Observer<T> + use<T> {
        let counters = Arc::new(Counters::default());
        self.with_chain(|chain| {
            let stages = &mut chain.stages;
            let at = stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
                let (name, before) = (name.to_owned(), Totals::default());
                stages.push(Stage { name, counters: Vec::new(), before, cost: None });
                stages.len() - 1
            });
            stages[at].counters.push(Arc::clone(&counters));
        });
        StageObserver(counters)
    }

    /// What each stage did since it was last asked, or since the beginning.
    pub fn measure(&self) -> ChainLoad {
        self.with_chain(|chain| {
            let now = Instant::now();
            let time = now - std::mem::replace(&mut chain.measured_at, now);
            let seen = chain.stages.iter_mut().map(|stage| {
                let after = Totals::of(&stage.counters);
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

    fn with_chain<R>(&self, act: impl FnOnce(&mut Chain) -> R) -> R {
        // It is whole between two calls.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Stages {
    fn default() -> Self {
        Stages::new()
    }
}

impl Totals {
    fn of(counters: &[Arc<Counters>]) -> Totals {
        let sum = |of: fn(&Counters) -> &AtomicU64| {
            counters.iter().map(|counters| of(counters).load(Relaxed)).sum()
        };
        Totals {
            received: sum(|counters| &counters.received),
            local: sum(|counters| &counters.local),
            remote: sum(|counters| &counters.remote),
            bad: sum(|counters| &counters.bad),
            held: sum(|counters| &counters.held),
            worked: sum(|counters| &counters.worked),
            useful: Duration::from_nanos(sum(|counters| &counters.useful_nanos)),
        }
    }
}

/// The observer.
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
        self.0.useful_nanos.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    fn backlog(&mut self, queued: usize, in_flight: usize) {
        self.0.held.store((queued + in_flight) as u64, Relaxed);
    }
}
