//! What a worker of a run gives to its graph.

use std::sync::Arc;
use std::time::Duration;

use super::metrics_observer::MetricsObserver;
use super::worker::RunContext;
use crate::job::{Host, IsLast, Producer, StageContext};
use crate::operators::{Backpressure, Clock, Observer as _};

/// The host of a worker's graph.
pub(super) struct WorkerHost {
    pub context: Arc<RunContext>,
    /// The number of workers in the dataflow, whose policies decide alike.
    pub workers: usize,
    /// The number of the worker in its process.
    pub local_index: usize,
    pub clock: Clock,
    pub backpressure: Backpressure,
    pub observer: MetricsObserver,
}

impl Host for WorkerHost {
    fn clock(&self) -> Clock {
        self.clock
    }

    fn epoch(&self) -> Option<Duration> {
        self.context.settings.epoch_length()
    }

    fn parser(&self) -> Box<dyn FnMut(usize)> {
        let mut observer = self.observer.clone();
        Box::new(move |records| observer.bad(records))
    }

    fn stage(&mut self, name: &str, producer: Producer, is_last: IsLast) -> StageContext {
        let RunContext { settings, stages, frontiers, peers, pool, .. } = &*self.context;
        let number = settings.dataflow.number(name);
        let is_call = self.context.is_call(name);
        let metrics = self.observer.stage(is_last, is_call);
        StageContext {
            from: settings.dataflow.feeding(name).collect(),
            policy: settings.policy(name, self.workers),
            bridge: self.context.bridge_of(name).cloned(),
            peers: peers.clone(),
            pool: pool.as_ref().map(|pool| pool.pool().clone()),
            backpressure: self.backpressure.clone(),
            deadline: settings.options.model.deadline,
            observer: Box::new((
                producer,
                (stages.observer(name), (frontiers.observer(number, self.local_index), metrics)),
            )),
        }
    }
}
