//! The settings of a run after they were checked, with real types.

use std::sync::Arc;
use std::time::Duration;

use super::control::SharedValues;
use super::hosts::Host;
use super::{RunOptions, StateSettings};
use crate::bridge;
use crate::emulator::Model;
use crate::job::DataflowDescription;
use crate::policy::{PolicyChoice, Sends};
use crate::pool::PoolSettings;
use crate::schedule::Schedule;
use crate::sink::Sink;
use crate::source::{Pace, Rate, Source, Speed};

/// The remote side.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// The embedded local Lambda.
    Embedded(Model),
    /// A function, or any other server that speaks the wire format.
    Remote(bridge::Endpoint),
}

impl Endpoint {
    /// Returns the endpoint's name, without parts that may be secret.
    pub fn name(&self) -> String {
        match self {
            Endpoint::Embedded(_) => "local".to_owned(),
            Endpoint::Remote(endpoint) => endpoint.to_string(),
        }
    }
}

/// Which records are sent, where and how.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The policy.
    pub policy: PolicyChoice,
    /// The remote side.
    pub endpoint: Endpoint,
    /// The settings of the bridge. The endpoint is filled in when it is known.
    pub bridge: bridge::Settings,
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The options that a run takes as they are given.
    pub options: RunOptions,
    /// The options that all processes of a run must be given alike, with their values as text.
    pub shared: SharedValues,
    /// The dataflow between the source and the sink.
    pub dataflow: Arc<DataflowDescription>,
    /// The source of the records.
    pub source: Arc<dyn Source>,
    /// The schedule of the events. None: records are taken as fast as possible.
    pub schedule: Option<Arc<Schedule>>,
    /// The number of events after which the input ends.
    pub events: Option<u64>,
    /// The time after which the input ends.
    pub duration: Option<Duration>,
    /// Which records of a stage are sent, where and how.
    pub sending: Sending,
    /// The same of each stage that has its own, by the name of the stage.
    pub stages: Vec<(String, Sending)>,
    /// The processes that compute the only stage in place of the workers, if its task is a function.
    pub pool: Option<PoolSettings>,
    /// The settings of the bridge of each call, by the name of the call.
    pub calls: Vec<(String, bridge::Settings)>,
    /// The number of bytes of records that may wait on a worker before the source waits.
    pub max_backlog_bytes: usize,
    /// The destination of the results.
    pub sink: Arc<dyn Sink>,
    /// The state folder, from which the run can be resumed.
    pub state: Option<StateSettings>,
    /// The address of the live view, if there is one.
    pub listen: Option<ListenSettings>,
    /// The settings of timely.
    pub timely: TimelySettings,
}

/// The address of the live view, and how long it stays.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// The host name or address.
    pub host: String,
    /// The port. 0 is any free one.
    pub port: u16,
    /// Host names that the live view answers to, besides its address and `host`.
    pub names: Vec<String>,
    /// How long the live view stays after the end of the run.
    pub after: Duration,
}

/// What timely's arguments say.
#[derive(Clone, Debug)]
pub struct TimelySettings {
    /// The number of workers of a process.
    pub workers: usize,
    /// The number of processes.
    pub processes: usize,
    /// The number of this process.
    pub process: usize,
    /// The addresses of the processes, by number, if there are several.
    pub hosts: Vec<Host>,
    /// Whether what workers of one process exchange is serialised too.
    pub is_zerocopy: bool,
    /// The configuration of a worker.
    pub worker: timely::WorkerConfig,
}

/// The number of events in an epoch without a schedule.
pub const EVENTS_AN_EPOCH: u64 = 100_000;

/// The same if a function in a folder computes the records, which may take milliseconds for each: an epoch is what can be
/// committed.
const EVENTS_AN_EPOCH_OF_A_FUNCTION: u64 = 2_000;

impl Settings {
    /// Whether counts are kept by slot of time too.
    pub(super) fn has_series(&self) -> bool {
        self.options.series.is_some() || self.options.shadow
    }

    /// Returns the pace of the source.
    pub fn pace(&self) -> Pace {
        let rate = match &self.schedule {
            Some(schedule) => Rate::Scheduled(Arc::clone(schedule), self.options.model.epoch),
            None if self.pool.is_some() => Rate::Max(EVENTS_AN_EPOCH_OF_A_FUNCTION),
            None => Rate::Max(EVENTS_AN_EPOCH),
        };
        Pace::new(rate, self.events, self.duration).at_speed(self.options.speed)
    }

    /// Returns the schedule, if it is played in real time.
    pub fn schedule_in_real_time(&self) -> Option<&Arc<Schedule>> {
        self.schedule.as_ref().filter(|_| self.options.speed == Speed::REAL_TIME)
    }

    /// Whether events have due times.
    pub(super) fn is_paced(&self) -> bool {
        self.schedule.is_some() && self.options.speed != Speed::Max
    }

    /// Returns how long an epoch lasts, if epochs are defined by time and last.
    pub(super) fn epoch_length(&self) -> Option<Duration> {
        let epoch = self.options.model.epoch;
        match &self.schedule {
            Some(_) => self.options.speed.wall(epoch),
            None => self.source.has_timed_epochs().then_some(epoch),
        }
    }

    /// Returns how long an epoch lasts. That of an epoch of unknown length is what it would be in real time.
    pub(super) fn epoch_length_or_nominal(&self) -> Duration {
        self.epoch_length().unwrap_or(self.options.model.epoch)
    }

    /// Whether a late result is a fault: records have scheduled times, or the policy goes by the deadline. A
    /// record that is read as fast as possible is late only because it queued.
    pub(super) fn has_due_times(&self) -> bool {
        self.epoch_length().is_some() || self.sends(Sends::Late)
    }

    /// Returns the number of epochs that are committed together: as many as fit between two commits, and one
    /// where epochs have no length. It is the same in all processes.
    ///
    /// Where lines are waited for, their reader ends the group when its time is over. Ten times as many
    /// epochs as fit leave room for those that end because they are full.
    pub(super) fn epochs_a_commit(&self) -> u64 {
        let fit = |epoch| ratio(self.options.commit_every, epoch);
        match (self.epoch_length(), &self.schedule) {
            (Some(epoch), _) => fit(epoch),
            // As many as have the events of an epoch without a schedule.
            (None, Some(schedule)) => {
                let time = schedule.time(EVENTS_AN_EPOCH).or(schedule.end()).unwrap_or_default();
                ratio(Duration::from_nanos(time), self.options.model.epoch)
            }
            (None, None) if self.source.waits() => fit(self.options.model.epoch).saturating_mul(10),
            (None, None) => 1,
        }
    }

    /// Returns the number of epochs that may be open past the last committed one: at least those of four
    /// commits. An epoch without a schedule lasts at least 4 ms, at 25 M events/s.
    pub(super) fn open_epochs(&self) -> u64 {
        let epoch = self.epoch_length().unwrap_or(Duration::from_millis(4));
        let commits = self.epochs_a_commit().max(ratio(self.options.commit_every, epoch));
        commits.saturating_mul(4).max(8)
    }
}

fn ratio(of: Duration, by: Duration) -> u64 {
    (of.as_nanos() / by.as_nanos().max(1)).max(1) as u64
}
