//! The graph of a run, and what builds it on a worker.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::Container;
use timely::dataflow::operators::vec::Map as _;
use timely::dataflow::{Scope, Stream};
use timely::progress::Source;

use super::declare::{Declaration, Remote};
use super::due_times::{self, DueTimes, PARSERS, Producer};
use super::input::StageInput;
use super::links::Ends;
use super::output::Output;
use super::stage::{Host, IsLast, StageContext};
use super::stage_name;
use crate::batch::{Batch, Records as _, TextRecord, is_finite};
use crate::bridge;
use crate::operators::{Burst, BurstExt as _, Plan};
use crate::state_file::StateBlock;
use crate::task::{self, Bad, Code, Task};

/// The lines of a run's source, or its events or messages, in flat batches.
pub type Lines<'scope> = Stream<'scope, u64, Batch>;

/// Why a graph could not be built.
pub type BuildError = Box<dyn Error + Send + Sync>;

/// The code of a record whose result is no JSON.
const NOT_FINITE: Code = Code(Cow::Borrowed(
    "not_finite: the result has NaN or an infinite number, which JSON does not have",
));

/// A dataflow between the source of a run and its sink. It is built on each worker.
///
/// It is implemented by closures and functions that take a [`Job`] and the lines, and return the output.
pub trait Graph: Send + Sync + 'static {
    /// Builds the dataflow of a worker.
    ///
    /// # Errors
    /// If it cannot be built. Then the run does not start.
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError>;
}

impl<F> Graph for F
where
    F: for<'scope> Fn(&mut Job<'scope>, Lines<'scope>) -> Result<Output<'scope>, BuildError>
        + Send
        + Sync
        + 'static,
{
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        self(job, lines)
    }
}

/// The dataflow of one worker while it is built. It is built alike on all workers, and the output is made last.
///
/// What an operator of the dataflow holds in memory across epochs is not restored when a run is resumed.
pub struct Job<'scope> {
    pub(super) scope: Scope<'scope, u64>,
    pub(super) host: Box<dyn Host>,
    pub(super) due: DueTimes,
    plan: Plan,
    stages: Vec<StageOutput>,
    pub(super) bad: Vec<Stream<'scope, u64, Vec<Bad<TextRecord>>>>,
    /// What workers say of the event times by which windows close.
    pub(super) event_times: Vec<Source>,
    /// What stateful stages write of their state.
    pub(super) state: Vec<Stream<'scope, u64, Vec<StateBlock>>>,
    names: BTreeSet<String>,
    /// What is wrong with the name of a stage.
    wrong_name: Option<String>,
}

struct StageOutput {
    results: Source,
    is_last: IsLast,
}

impl<'scope> Job<'scope> {
    /// Creates the job of a worker, for a graph that begins with `lines`.
    pub(crate) fn new(host: Box<dyn Host>, scope: Scope<'scope, u64>) -> Self {
        let due = DueTimes::new(host.clock(), host.epoch());
        Job {
            scope,
            host,
            due,
            plan: Plan::new(),
            stages: Vec::new(),
            bad: Vec::new(),
            event_times: Vec::new(),
            state: Vec::new(),
            names: BTreeSet::new(),
            wrong_name: None,
        }
    }

    /// Returns the scope in which the dataflow is built.
    pub fn scope(&self) -> Scope<'scope, u64> {
        self.scope
    }

    /// Builds `graph`, and tells its last stage that it is the last one.
    pub(crate) fn build(
        &mut self,
        graph: &dyn Graph,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        let output = graph.build(self, lines)?;
        if !self.bad.is_empty() || !self.state.is_empty() {
            return Err(
                "a stage or a parser was added after the output: make the output last".into()
            );
        }
        if let Some(why) = self.wrong_name.take() {
            return Err(why.into());
        }
        if let Some(last) = self.stages.last() {
            last.is_last.set();
        }
        Ok(output)
    }

    /// Adds a stage, which computes `compute` for each record: on this worker, on an idle one, or in a function,
    /// as the run's policy decides. Returns the results, under the timestamps of their records. The order within
    /// a timestamp may change. A record for which `compute` returns a code is a dead letter. So is one whose result has
    /// NaN or an infinite number (`not_finite`), because results are sent as JSON.
    ///
    /// `compute` is pure: the same record has the same result wherever it is computed.
    pub fn burst<T, U, F>(
        &mut self,
        name: &str,
        records: Stream<'scope, u64, Vec<T>>,
        compute: F,
    ) -> Stream<'scope, u64, Vec<U>>
    where
        F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        U: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static,
    {
        let compute = move |record: &T| {
            let result = compute(record)?;
            // The function could not return it, so no worker emits it.
            if is_finite(&result) { Ok(result) } else { Err(NOT_FINITE) }
        };
        let task = Arc::new(task::function(name, compute).shown_as_json());
        let function = Arc::clone(&task);
        self.stage(name, records, task, Remote::Function(Box::new(move || function.clone())))
    }

    /// Adds a call: a service computes a result for each record, because no worker can. The service speaks
    /// [the wire](crate::wire), with `name` as the task. `settings` has its endpoint and the limits on requests; begin
    /// with [`Settings::call`](crate::bridge::Settings::call). Each call has a bridge of its own. The option
    /// `--call NAME=URL` of `run`, `compare` and `check` sets another endpoint.
    ///
    /// A record that the service refuses with a code is a dead letter, and so is one that fails as often as the
    /// settings allow. While the service does not answer, records wait until the backlog is full; then the source
    /// waits.
    ///
    /// The output is the same in each run if the service's results are. The service gets a record again after a
    /// failure, and if its result was not committed when a run ended, so it may see a record several times.
    ///
    /// # Examples
    /// ```no_run
    /// use floodway::bridge::Settings;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     floodway::app("cities")
    ///         .dataflow(|job, lines| {
    ///             let names = job.json::<String>(lines);
    ///             let lookup = Settings {
    ///                 endpoint: "http://127.0.0.1:9000/".parse()?,
    ///                 requests_per_second: Some(50),
    ///                 ..Settings::call()
    ///             };
    ///             let inhabitants = job.call::<_, u64>("lookup", names, lookup);
    ///             Ok(job.json_lines(inhabitants))
    ///         })
    ///         .main()
    /// }
    /// ```
    pub fn call<T, U>(
        &mut self,
        name: &str,
        records: Stream<'scope, u64, Vec<T>>,
        settings: bridge::Settings,
    ) -> Stream<'scope, u64, Vec<U>>
    where
        T: Serialize + Clone + Send + Sync + 'static,
        U: DeserializeOwned + Clone + PartialEq + Send + 'static,
    {
        let not_here = |_: &T| Err::<U, _>(Code("not_computed_locally".into()));
        let service = Box::new(bridge::Settings { is_only_side: true, ..settings });
        self.stage(
            name,
            records,
            Arc::new(task::function(name, not_here)),
            Remote::Service(service),
        )
    }

    /// Takes the name of a stage, if it is one and no other stage has it.
    pub(super) fn take_name(&mut self, name: &str) {
        match stage_name::check(name, self.names.iter().map(String::as_str)) {
            Ok(()) => drop(self.names.insert(name.to_owned())),
            Err(why) => drop(self.wrong_name.get_or_insert(why)),
        }
    }

    /// Adds the stage `name`. Workers compute `task`, and `remote` says who else computes it, or who does so instead.
    pub(crate) fn stage<K>(
        &mut self,
        name: &str,
        records: Stream<'scope, u64, K::In>,
        task: K,
        remote: Remote,
    ) -> Stream<'scope, u64, K::Out>
    where
        K: Task + Clone,
        K::In: StageInput,
        K::Out: Container,
    {
        self.take_name(name);
        self.host.declare(Box::new(|| Declaration::new(name, task.clone(), remote)));
        let is_last = IsLast::default();
        let due = self.due.clone();
        let producer = Producer::new(&due, due_times::of_stage(self.stages.len()));
        let context = self.host.stage(name, producer, is_last.clone());
        let StageContext { from, policy, bridge, peers, pool, backpressure, deadline, observer } =
            context;
        let producers = from.into_iter().map(|stage| stage.map_or(PARSERS, due_times::of_stage));
        let consumer = due.add_consumer(producers.collect());
        let mut burst = Burst::new(policy)
            .deadline(deadline)
            .clock(self.host.clock())
            .schedules(move |epoch: &u64, records: &K::In, each| match records.scheduled() {
                Some(span) => each(records.len(), span),
                None => due.of(consumer, *epoch, records.len(), each),
            })
            .peers(&peers)
            .plan(&self.plan)
            .backpressure(&backpressure)
            .boxed_observer(observer);
        if let Some(epoch) = self.host.epoch() {
            burst = burst.epoch(epoch);
        }
        if let Some(bridge) = &bridge {
            burst = burst.remote(bridge);
        }
        if let Some(pool) = &pool {
            burst = burst.pool(pool);
        }
        let (results, bad) = records.burst(task, burst);
        let stage = name.to_owned();
        self.bad.push(bad.map(move |bad| K::In::dead_letter(bad, &stage)));
        self.stages.push(StageOutput { results: *results.name(), is_last });
        results
    }

    /// Returns the ends of the links of a graph that begins with what `lines` emits.
    pub(super) fn ends(&self, lines: Source, output: &Output<'scope>) -> Ends {
        let stages = self.stages.iter().map(|stage| stage.results).collect();
        let event_times = self.event_times.clone();
        Ends { lines, stages, results: output.results(), event_times }
    }

    /// Whether what `source` emits are the results of the last stage, as they are.
    pub(super) fn are_last_results(&self, source: Source) -> bool {
        self.stages.last().is_some_and(|stage| stage.results == source)
    }

    /// Whether there is a stage.
    pub(super) fn has_stages(&self) -> bool {
        !self.stages.is_empty()
    }
}
