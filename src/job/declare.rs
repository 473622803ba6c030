//! What a graph says of itself before it runs.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::dataflow::operators::generic::operator::empty;
use timely::worker::Worker;

use super::due_times::Producer;
use super::links::{ChannelLog, Link};
use super::stage::{Host, IsLast, StageContext};
use super::{BuildError, Graph, Job};
use crate::batch::{Batch, Records as _};
use crate::bridge::{self, Bridge};
use crate::clock::Clock;
use crate::emulator::{ByTask, Function, Versioned};
use crate::policy;
use crate::pool::{PoolError, PoolSettings, ProcessPool};
use crate::state_file::MergeRows;
use crate::stateful::StateContext;
use crate::task::Task;
use crate::version;

/// The description of a dataflow: the graph that builds it, and what this says of itself.
pub struct DataflowDescription {
    graph: Arc<dyn Graph>,
    /// The stages, in the order in which they are built.
    pub stages: Vec<Declaration>,
    /// What the stages with state say of it.
    pub states: Vec<String>,
    /// Which stages feed which.
    pub links: Vec<Link>,
    /// The format of the lines that are committed. None if that is the sink's to choose.
    pub format: Option<&'static str>,
    /// Whether each result of the last stage is a line.
    pub is_last_stage: bool,
    /// The version of the function that computes the stages, if it is a user's program.
    pub version: Option<String>,
}

impl DataflowDescription {
    /// Builds `graph` without input on a worker of its own, which does not run it, to find out what it declares.
    ///
    /// # Errors
    /// If the graph cannot be built.
    pub fn new(graph: Arc<dyn Graph>) -> Result<Self, BuildError> {
        let declarer = Declarer::default();
        let (stages, states) = (Rc::clone(&declarer.stages), Rc::clone(&declarer.states));
        let thread = timely::communication::allocator::thread::Thread::default();
        // Without a clock the worker has no log.
        let (allocator, now) = (Allocator::Thread(thread), Some(Instant::now()));
        let mut worker = Worker::new(WorkerConfig::default(), allocator, now);
        let channels = ChannelLog::of(&worker);
        let output = worker.dataflow::<u64, _, _>(|scope| {
            let lines = empty::<_, Batch>(scope);
            let begin = *lines.name();
            let mut job = Job::new(Box::new(declarer), scope);
            let output = job.build(&*graph, lines)?;
            let ends = job.ends(begin, &output);
            Ok::<_, BuildError>((output.format(), output.is_last_stage(), ends))
        });
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
        let (format, is_last_stage, ends) = output?;
        let (stages, links) = (stages.take(), ends.links(&channels.take()));
        let states = states.take();
        Ok(DataflowDescription {
            graph,
            stages,
            states,
            links,
            format,
            is_last_stage,
            version: None,
        })
    }

    /// Sets the version of the dataflow's function. `program` is the name of a user's program with its version, and
    /// `options` are the values of its own options that are not their defaults.
    pub fn of_program(self, program: &str, options: &[String]) -> Self {
        let mut names: Vec<&str> = self.served().map(|stage| &*stage.name).collect();
        names.sort_unstable();
        names.extend(options.iter().map(String::as_str));
        let fingerprint = crc32fast::hash(names.join("\n").as_bytes());
        DataflowDescription { version: Some(version::of_program(program, fingerprint)), ..self }
    }

    /// Returns what the output depends on, as errors show it: the stages and the format of the lines.
    pub fn identity(&self) -> String {
        let (tasks, format) = (self.tasks(), self.format.unwrap_or("text"));
        match &self.states[..] {
            [] => format!("stages {tasks}; {format}"),
            states => format!("stages {tasks}; state {}; {format}", states.join(", ")),
        }
    }

    /// Returns the stages that are calls, with their settings.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &bridge::Settings)> {
        self.stages.iter().filter_map(|stage| match &stage.remote {
            Remote::Service(settings) => Some((&*stage.name, &**settings)),
            Remote::Function(_) => None,
        })
    }

    /// Returns the stages whose tasks a function computes besides the workers.
    pub fn served(&self) -> impl Iterator<Item = &Declaration> {
        self.stages.iter().filter(|stage| matches!(stage.remote, Remote::Function(_)))
    }

    /// Returns the number of the stage `name`.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    /// Returns the numbers of the stages that feed the stage `name`. None is the source.
    pub(crate) fn feeding(&self, name: &str) -> impl Iterator<Item = Option<usize>> {
        let to = self.number(name);
        let links = self.links.iter().filter(move |link| to.is_some() && link.to == to);
        links.map(|link| link.from)
    }

    /// Returns the names of the stages, which are those of their tasks.
    pub(crate) fn tasks(&self) -> String {
        let stages: Vec<&str> = self.stages.iter().map(|stage| &*stage.name).collect();
        stages.join(", ")
    }

    /// Returns the graph.
    pub(crate) fn graph(&self) -> &dyn Graph {
        &*self.graph
    }

    /// Returns the function that computes the tasks of all stages but the calls.
    pub fn function(&self) -> Arc<dyn Function> {
        let functions = self.stages.iter().filter_map(|stage| match &stage.remote {
            Remote::Function(make) => Some((stage.name.clone(), make())),
            Remote::Service(_) => None,
        });
        let mut functions: Vec<_> = functions.collect();
        let function: Arc<dyn Function> = match functions.pop() {
            Some((_, only)) if functions.is_empty() => only,
            last => Arc::new(ByTask::new(functions.into_iter().chain(last))),
        };
        match &self.version {
            None => function,
            Some(version) => Arc::new(Versioned::new(function, version)),
        }
    }
}

impl fmt::Debug for DataflowDescription {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names = self.stages.iter().map(|stage| &*stage.name);
        f.debug_list().entries(names).finish()
    }
}

/// What a stage says of itself.
pub struct Declaration {
    pub name: String,
    /// How many records of the stream a record of a request stands for at most.
    pub(crate) weight: usize,
    remote: Remote,
    register: Box<dyn Fn(&Bridge) + Send + Sync>,
    start_pool: StartPool,
}

/// Starts a pool for a stage's task.
type StartPool =
    Box<dyn Fn(PoolSettings, PoolFailed) -> Result<ProcessPool, PoolError> + Send + Sync>;

/// Called when a pool cannot go on.
type PoolFailed = Box<dyn FnOnce(PoolError) + Send>;

/// Who computes a stage's task besides the workers, or instead of them.
pub(crate) enum Remote {
    /// A function, which this makes. Workers compute the task too.
    Function(MakeFunction),
    /// A service, which is called. Workers do not compute the task.
    Service(Box<bridge::Settings>),
}

/// Makes the function that computes a stage's task. That may take time: the vocabulary of `bpe` is loaded.
pub(crate) type MakeFunction = Box<dyn Fn() -> Arc<dyn Function> + Send + Sync>;

impl Declaration {
    pub(super) fn new<K: Task + Clone>(name: &str, task: K, remote: Remote) -> Self {
        let of_pool = task.clone();
        let register = move |bridge: &Bridge| drop(bridge.remote_task(Arc::new(task.clone())));
        let start_pool = move |settings, failed: PoolFailed| {
            ProcessPool::start(settings, Arc::new(of_pool.clone()), failed)
        };
        Declaration {
            name: name.to_owned(),
            weight: K::In::MAX_WEIGHT,
            remote,
            register: Box::new(register),
            start_pool: Box::new(start_pool),
        }
    }

    /// Starts a pool that computes the stage's task. `failed` is called when it cannot go on.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn start_pool(
        &self,
        settings: PoolSettings,
        failed: PoolFailed,
    ) -> Result<ProcessPool, PoolError> {
        (self.start_pool)(settings, failed)
    }

    /// Lets `bridge` probe the remote side of the stage's task.
    pub(crate) fn register(&self, bridge: &Bridge) {
        (self.register)(bridge);
    }
}

/// The host of a graph that is built to see what it declares.
#[derive(Default)]
struct Declarer {
    stages: Rc<RefCell<Vec<Declaration>>>,
    states: Rc<RefCell<Vec<String>>>,
}

impl Host for Declarer {
    fn clock(&self) -> Clock {
        Clock::default()
    }

    fn epoch(&self) -> Option<Duration> {
        None
    }

    fn stage(&mut self, _: &str, producer: Producer, _: IsLast) -> StageContext {
        StageContext {
            from: Vec::new(),
            policy: Box::new(policy::Local),
            bridge: None,
            peers: Default::default(),
            pool: None,
            backpressure: Default::default(),
            deadline: Duration::ZERO,
            observer: Box::new(producer),
        }
    }

    fn state(&mut self, _: &str, _: Arc<dyn MergeRows>) -> StateContext {
        StateContext::default()
    }

    fn declare_state(&mut self, identity: String) {
        self.states.borrow_mut().push(identity);
    }

    fn declare(&mut self, declaration: Box<dyn FnOnce() -> Declaration + '_>) {
        self.stages.borrow_mut().push(declaration());
    }
}
