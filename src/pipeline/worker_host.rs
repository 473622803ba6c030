//! What a worker of a run gives to its graph.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::metrics_observer::MetricsObserver;
use super::worker::RunContext;
use crate::job::{Host, IsLast, Producer, StageContext};
use crate::operators::{Backpressure, Clock, Observer as _};
use crate::sink::{CommitGroups, SinkError};
use crate::state_file::MergeRows;
use crate::stateful::{StateContext, StateLimit, StoredState};

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

    fn first_epoch(&self) -> u64 {
        self.context.resume_point.epoch
    }

    fn state(&mut self, name: &str, merge_rows: Arc<dyn MergeRows>) -> StateContext {
        let RunContext { settings, sink, states, resume_point, output, .. } = &*self.context;
        let files = settings.sink.files();
        let is_written = settings.state.is_some() && files.is_some();
        let timely = &settings.timely;
        let worker = timely.process * timely.workers + self.local_index;
        let committed = output.committed.as_ref().filter(|committed| !committed.state.is_empty());
        sink.add_state(name, merge_rows);
        let (stopped, sink) = (Arc::clone(&self.context), sink.clone());
        StateContext {
            first_epoch: resume_point.epoch,
            groups: is_written.then(|| CommitGroups::of(settings.epochs_a_commit())),
            stored: files.zip(committed).map(|(files, committed)| StoredState {
                folder: files.dir.clone(),
                files: committed.state.as_slice().into(),
                worker: worker as u64,
                workers: self.workers as u64,
            }),
            is_stopped: Rc::new(move || stopped.was_stopped.load(Relaxed)),
            fail: Rc::new(move |error| sink.fail(SinkError::State(error))),
            counters: states.worker(name),
            limit: settings
                .options
                .max_state
                .map(|bytes| StateLimit { bytes, states: states.clone() }),
        }
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
