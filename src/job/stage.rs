//! A stage: a burst operator in a graph, and what the run gives to it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::declare::Declaration;
use super::due_times::Producer;
use crate::bridge::Bridge;
use crate::clock::Clock;
use crate::operators::{Backpressure, Observer, Peers};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::state_file::MergeRows;
use crate::stateful::StateContext;

/// What a worker gives to the graph that it builds.
pub(crate) trait Host {
    /// Returns the clock of the run.
    fn clock(&self) -> Clock;

    /// Returns the length of an epoch, if epochs have one.
    fn epoch(&self) -> Option<Duration>;

    /// Returns a function that counts records that a parser found to be bad.
    fn parser(&self) -> Box<dyn FnMut(usize)> {
        Box::new(drop)
    }

    /// Returns what the stage `name` works with. `producer` is one of its observers.
    fn stage(&mut self, name: &str, producer: Producer, is_last: IsLast) -> StageContext;

    /// Returns the first epoch of the run.
    fn first_epoch(&self) -> u64 {
        0
    }

    /// Returns what the stage `name`, which has state, works with. `merge_rows` merges what is stored of it.
    fn state(&mut self, name: &str, merge_rows: Arc<dyn MergeRows>) -> StateContext;

    /// Takes what a stage with state says of it, which the state's files depend on.
    fn declare_state(&mut self, identity: String) {
        drop(identity);
    }

    /// Takes what a stage says of itself. A run knows it from the first time that the graph was built.
    fn declare(&mut self, declaration: Box<dyn FnOnce() -> Declaration + '_>) {
        drop(declaration);
    }
}

/// What a stage works with.
pub(crate) struct StageContext {
    /// The numbers of the stages that feed it. None is the source.
    pub from: Vec<Option<usize>>,
    pub policy: Box<dyn Policy>,
    pub bridge: Option<Bridge>,
    pub peers: Peers,
    pub pool: Option<Pool>,
    pub backpressure: Backpressure,
    pub deadline: Duration,
    pub observer: Box<dyn Observer<u64>>,
}

/// Whether a stage is the last one of its graph: its results are the run's, and are late or on time. It is known
/// when the whole graph is built.
#[derive(Clone, Default)]
pub(crate) struct IsLast(Rc<Cell<bool>>);

impl IsLast {
    pub(crate) fn get(&self) -> bool {
        self.0.get()
    }

    pub(super) fn set(&self) {
        self.0.set(true);
    }
}
