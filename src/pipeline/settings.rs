//! What a run is: the settings after they were checked, with real types.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::StateSettings;
use super::hosts::Host;
use crate::bridge;
use crate::emulator::Model;
use crate::live::Live;
use crate::nexmark;
use crate::policy::{Deadline, Local, Policy, Remote, Spill, Threshold};
use crate::schedule::Schedule;
use crate::sink::Files;
use crate::source::{Pace, Rate};
use crate::task::Work;

/// Where the records come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Generated events.
    Nexmark {
        /// The generator's options.
        config: nexmark::Config,
        /// Of the events.
        seed: u64,
    },
    /// Lines of text.
    Lines(crate::source::Input),
    /// A topic of Kafka's.
    #[cfg(feature = "kafka")]
    Kafka(crate::source::KafkaInput),
}

/// Which policy, with what it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyChoice {
    /// Everything at home.
    Local,
    /// Everything away.
    Remote,
    /// Everything, while the offered rate is above so many records a second.
    Threshold(f64),
    /// What is in excess of so many records a second.
    Spill(f64),
    /// What would be late at home.
    Deadline,
}

impl PolicyChoice {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            PolicyChoice::Local => "local",
            PolicyChoice::Remote => "remote",
            PolicyChoice::Threshold(_) => "threshold",
            PolicyChoice::Spill(_) => "spill",
            PolicyChoice::Deadline => "deadline",
        }
    }

    /// Whether it ever sends anything away.
    pub fn needs_remote(&self) -> bool {
        *self != PolicyChoice::Local
    }

    /// One worker's policy, of `workers` in the dataflow.
    pub(crate) fn make(
        &self,
        epoch: Duration,
        deadline: Duration,
        workers: usize,
    ) -> Box<dyn Policy> {
        match *self {
            PolicyChoice::Deadline => Box::new(Deadline::new(deadline.as_nanos() as u64)),
            PolicyChoice::Local => Box::new(Local),
            PolicyChoice::Remote => Box::new(Remote),
            PolicyChoice::Threshold(rate) => Box::new(Threshold::new(rate)),
            PolicyChoice::Spill(rate) => {
                Box::new(Spill::new(rate, epoch.as_nanos() as u64, workers))
            }
        }
    }
}

/// The remote side.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// The embedded local Lambda.
    Embedded(Model),
    /// A function, or anything else that speaks the wire.
    Remote(bridge::Endpoint),
}

impl Endpoint {
    /// Its name, without what may be a secret.
    pub fn name(&self) -> String {
        match self {
            Endpoint::Embedded(_) => "local".to_owned(),
            Endpoint::Remote(endpoint) => endpoint.to_string(),
        }
    }
}

/// Where results go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Files in a folder.
    Files {
        /// Which folder, and how they are written.
        files: Files,
        /// Replace another run's output.
        overwrite: bool,
    },
    /// To a topic of Kafka's, from files that are removed when they are published.
    #[cfg(feature = "kafka")]
    Kafka {
        /// Which topic.
        topic: crate::kafka::Topic,
        /// The outbox.
        outbox: Files,
    },
    /// Nowhere: counted only.
    Null,
}

impl Target {
    /// The files that results are committed in, if they are.
    pub fn files(&self) -> Option<&Files> {
        match self {
            Target::Files { files, .. } => Some(files),
            #[cfg(feature = "kafka")]
            Target::Kafka { outbox, .. } => Some(outbox),
            Target::Null => None,
        }
    }
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the records come from.
    pub source: Source,
    /// How fast; without a schedule as fast as they are taken.
    pub schedule: Option<Arc<Schedule>>,
    /// Stop after so many events.
    pub events: Option<u64>,
    /// Take the events of this time.
    pub duration: Option<Duration>,
    /// The share of the events that the first worker makes, if not an equal one.
    pub skew: Option<f64>,
    /// The length of an epoch.
    pub epoch: Duration,
    /// Longer records are bad.
    pub max_record: usize,
    /// The task's name.
    pub task: String,
    /// Modelled extra cost of a record.
    pub work: Work,
    /// How long after its schedule a result is due.
    pub deadline: Duration,
    /// The policy.
    pub policy: PolicyChoice,
    /// Send nothing, and say at the end what the policy would have done.
    pub shadow: bool,
    /// Fail if the policy wanted to send records and none was done remotely.
    pub require_remote: bool,
    /// The remote side.
    pub endpoint: Endpoint,
    /// The bridge to it; the endpoint is filled in when it is known.
    pub bridge: bridge::Settings,
    /// Records waiting on a worker before the source waits.
    pub max_backlog: usize,
    /// And their bytes.
    pub max_backlog_bytes: usize,
    /// Where results go.
    pub target: Target,
    /// How often finished epochs are committed.
    pub commit_every: Duration,
    /// The longest that the run may take to end after it was asked to stop.
    pub stop_within: Duration,
    /// Where it is kept what a run needs to be resumed, if it is.
    pub state: Option<StateSettings>,
    /// Bad records with their reasons.
    pub dead_letter: Option<PathBuf>,
    /// The run's figures.
    pub summary: Option<PathBuf>,
    /// The run's figures over time: where process 0 writes them; all processes count them.
    pub series: Option<PathBuf>,
    /// Where the run is shown while it lasts, if it is.
    pub live: Option<Live>,
    /// Timely's own.
    pub timely: TimelySettings,
}

/// What timely's arguments say.
#[derive(Clone, Debug)]
pub struct TimelySettings {
    /// Workers a process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// This one.
    pub process: usize,
    /// Where the processes listen, by process, if there are several.
    pub hosts: Vec<Host>,
    /// Whether what workers of a process exchange is serialised too.
    pub is_zerocopy: bool,
    /// What a worker is told.
    pub worker: timely::WorkerConfig,
}

/// Events of an epoch where there is no schedule.
pub const EVENTS_AN_EPOCH: u64 = 100_000;

impl Settings {
    /// Whether anything is sent to the remote side.
    pub(super) fn is_bursting(&self) -> bool {
        self.policy.needs_remote() && !self.shadow
    }

    /// Where requests go, and by which proxy, if they go by one.
    pub(crate) fn proxy(&self) -> Option<(&bridge::Endpoint, String)> {
        match &self.endpoint {
            Endpoint::Remote(endpoint) if self.is_bursting() => Some((endpoint, endpoint.proxy()?)),
            _ => None,
        }
    }

    /// Whether what happens is counted by slots of time too.
    pub(super) fn has_series(&self) -> bool {
        self.series.is_some() || self.shadow
    }

    /// One worker's policy, of `workers` in the dataflow.
    pub(super) fn policy(&self, workers: usize) -> Box<dyn Policy> {
        let policy = if self.shadow { PolicyChoice::Local } else { self.policy };
        policy.make(self.epoch, self.deadline, workers)
    }

    /// The run's pace.
    pub fn pace(&self) -> Pace {
        let rate = match &self.schedule {
            Some(schedule) => Rate::Scheduled(Arc::clone(schedule), self.epoch),
            None => Rate::Max(EVENTS_AN_EPOCH),
        };
        Pace::new(rate, self.events, self.duration)
    }

    /// A number for everything that the processes of a run must agree on, the same in all of them
    /// if they do. Computed from what is shown, which is all that the settings are.
    pub(super) fn fingerprint(&self) -> u64 {
        let target = self.target.files().map(|files| (&files.dir, files.sync, files.format));
        #[cfg(feature = "kafka")]
        let target = match &self.target {
            Target::Kafka { topic, .. } => (target, Some(&topic.name)),
            _ => (target, None),
        };
        let input = (&self.source, &self.schedule, self.events, self.duration, self.max_record);
        let input = (input, self.skew);
        let work = (&self.task, &self.work, self.policy, self.shadow, self.deadline, self.epoch);
        let state = self.state.as_ref().map(|state| &state.folder);
        let output = (target, self.commit_every, &self.dead_letter, state);
        let workers = (self.timely.workers, self.timely.processes, self.has_series());
        let mut hasher = DefaultHasher::new();
        format!("{input:?} {work:?} {output:?} {workers:?}").hash(&mut hasher);
        hasher.finish()
    }

    /// The length of an epoch, where that is a matter of time.
    pub(super) fn epoch_length(&self) -> Option<Duration> {
        let is_timed = match &self.source {
            #[cfg(feature = "kafka")]
            Source::Kafka(_) => true,
            _ => self.schedule.is_some(),
        };
        is_timed.then_some(self.epoch)
    }

    /// Whether a late result is a fault: records have times of their own, or the policy goes by the
    /// deadline. What is read as fast as it is taken is late when it has queued.
    pub(super) fn has_due_times(&self) -> bool {
        self.epoch_length().is_some() || self.policy == PolicyChoice::Deadline
    }

    /// Epochs that are committed together: as many as fit between two commits, and one where
    /// epochs have no length. The same in all processes.
    ///
    /// Where lines are waited for, their reader ends the group when its time is over. Ten times as many epochs as
    /// fit then are room for those that end because they are full.
    pub(super) fn epochs_a_commit(&self) -> u64 {
        let fit = |epoch| ratio(self.commit_every, epoch);
        match (self.epoch_length(), &self.source) {
            (Some(epoch), _) => fit(epoch),
            (None, Source::Lines(input)) if input.waits() => fit(self.epoch).saturating_mul(10),
            (None, _) => 1,
        }
    }

    /// Epochs that may be begun past the last committed one: at least four commits' worth. An
    /// epoch without a schedule is at least 4 ms, at 25 M events/s.
    pub(super) fn open_epochs(&self) -> u64 {
        let epoch = self.epoch_length().unwrap_or(Duration::from_millis(4));
        let commits = self.epochs_a_commit().max(ratio(self.commit_every, epoch));
        commits.saturating_mul(4).max(8)
    }
}

fn ratio(of: Duration, by: Duration) -> u64 {
    (of.as_nanos() / by.as_nanos().max(1)).max(1) as u64
}
