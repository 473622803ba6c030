//! What the workers of a run tell each other beside the stream: that they are ready, that they stop, and what
//! they did.
//!
//! It is a dataflow of its own, in which each worker can broadcast a [`Message`] at any time and receives
//! everybody's. It lives as long as any worker holds its [`Control`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::{Activator, SyncActivator};
use timely::worker::Worker;

use super::resume::ResumePoint;

/// What the processes of a run must agree on: the values of options as text, by option.
pub(crate) type SharedValues = BTreeMap<String, String>;

/// What a worker broadcasts.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    /// The worker of this process is ready for a run with these values that begins at this point.
    Ready { process: usize, shared: SharedValues, resume_point: ResumePoint },
    /// The worker was asked to stop, and has begun no epoch after this one.
    Stop(u64),
    /// The worker's dataflow is complete.
    Done,
    /// The report of the worker's process.
    Report(Vec<u8>),
}

/// The processes of a run do not agree on what to do.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// They were started with different settings. Each is named with the values of two processes.
    #[error(
        "the processes of this run were given different settings: {0}. Start all with the same"
    )]
    Settings(String),
    /// They see different commits: the output was still being written when the first of them read it.
    #[error(
        "the processes of this run see different commits of its output. Processes of an earlier run may still have \
         been ending: wait until they are gone, and start all processes again"
    )]
    ResumePoint,
}

/// How long a worker waits before it asks again for a report that is not ready.
const REPORT_POLL: Duration = Duration::from_millis(1);

type Addressed = (u64, Message);

/// A worker's end of the control dataflow.
pub(super) struct Control {
    me: u64,
    peers: usize,
    outbox: Rc<RefCell<VecDeque<Message>>>,
    inbox: Rc<RefCell<VecDeque<Message>>>,
    open: Rc<Cell<bool>>,
    activator: Activator,
    sync_activator: SyncActivator,
    ready: Vec<(usize, SharedValues, ResumePoint)>,
    stops: Vec<u64>,
    has_sent_stop: bool,
    done: usize,
    reports: Vec<Vec<u8>>,
}

impl Control {
    /// Builds the dataflow. Every worker builds it before any other.
    pub(super) fn new(worker: &mut Worker) -> Self {
        let outbox: Rc<RefCell<VecDeque<Message>>> = Rc::default();
        let inbox: Rc<RefCell<VecDeque<Message>>> = Rc::default();
        let open = Rc::new(Cell::new(true));
        let me = worker.index() as u64;
        let peers = worker.peers();
        let (from, to, is_open) = (Rc::clone(&outbox), Rc::clone(&inbox), Rc::clone(&open));
        let address = worker.dataflow_named::<u64, _, _>("Control", |scope| {
            let mut address = None;
            source(scope, "ControlOut", |capability, info| {
                address = Some(info.address);
                let mut capability = Some(capability);
                move |output| {
                    if let Some(capability) = &capability {
                        let mut session = output.session(capability);
                        for message in from.borrow_mut().drain(..) {
                            let to_all = (0..peers as u64).map(|to| (to, message.clone()));
                            session.give_iterator(to_all);
                        }
                    }
                    if !is_open.get() {
                        capability = None;
                    }
                }
            })
            .container::<Vec<Addressed>>()
            .sink(
                Exchange::new(|message: &Addressed| message.0),
                "ControlIn",
                move |(input, _)| {
                    input.for_each(|_, messages| {
                        to.borrow_mut().extend(messages.drain(..).map(|(_, message)| message));
                    });
                },
            );
            address
        });
        let address = address.expect("the source was built just now");
        Control {
            me,
            peers,
            outbox,
            inbox,
            open,
            activator: worker.activator_for(Rc::clone(&address)),
            sync_activator: worker.sync_activator_for(address.to_vec()),
            ready: Vec::new(),
            stops: Vec::new(),
            has_sent_stop: false,
            done: 0,
            reports: Vec::new(),
        }
    }

    /// Returns a handle that wakes the worker from another thread.
    pub(super) fn waker(&self) -> SyncActivator {
        self.sync_activator.clone()
    }

    /// Waits until all workers are ready. Each hears of the last one as soon as its message arrives, so their
    /// starts lie no further apart than that, whatever their clocks say.
    ///
    /// # Errors
    /// If not all have the same `shared` values, or not the same `resume_point`. All workers get the same error.
    pub(super) fn agree_on_start(
        &mut self,
        worker: &mut Worker,
        process: usize,
        shared: SharedValues,
        resume_point: &ResumePoint,
    ) -> Result<(), Disagreement> {
        self.broadcast(Message::Ready { process, shared, resume_point: resume_point.clone() });
        while self.ready.len() < self.peers {
            worker.step_or_park(None);
            self.receive();
        }
        let different = self.differences();
        if !different.is_empty() {
            return Err(Disagreement::Settings(different.join("; ")));
        }
        if self.ready.iter().any(|(_, _, other)| other != resume_point) {
            return Err(Disagreement::ResumePoint);
        }
        Ok(())
    }

    /// Returns the values that not all processes have alike, each with the first two processes that differ.
    fn differences(&mut self) -> Vec<String> {
        self.ready.sort_by_key(|(process, ..)| *process);
        let options: BTreeSet<&String> =
            self.ready.iter().flat_map(|(_, shared, _)| shared.keys()).collect();
        let difference = |option: &String| {
            let mut values = self.ready.iter().map(|(process, shared, _)| {
                (process, shared.get(option).map_or("not given", String::as_str))
            });
            let (first, value) = values.next()?;
            let (other, is) = values.find(|(_, is)| *is != value)?;
            Some(format!("{option} is {value} in process {first}, and {is} in process {other}"))
        };
        options.into_iter().filter_map(difference).collect()
    }

    /// Broadcasts that this worker was asked to stop and has begun no epoch after `epoch`. Only the first
    /// call has an effect.
    pub(super) fn stop(&mut self, epoch: u64) {
        if !std::mem::replace(&mut self.has_sent_stop, true) {
            self.broadcast(Message::Stop(epoch));
        }
    }

    /// Whether any worker was asked to stop, so that all must answer.
    pub(super) fn is_stop_requested(&mut self) -> bool {
        self.receive();
        !self.stops.is_empty()
    }

    /// Returns the last epoch of the run, once all workers have said how far they are. It is the same on all
    /// workers.
    pub(super) fn last_epoch(&self) -> Option<u64> {
        (self.stops.len() == self.peers).then(|| self.stops.iter().max().copied()).flatten()
    }

    /// Broadcasts that this worker is done, and waits until all are. Then one worker of each of the
    /// `processes` broadcasts its report, and all workers return all reports. `report` is called again and
    /// again until it returns the report.
    pub(super) fn finish(
        mut self,
        worker: &mut Worker,
        processes: usize,
        mut report: Option<impl FnMut() -> Option<Vec<u8>>>,
    ) -> Vec<Vec<u8>> {
        self.broadcast(Message::Done);
        while self.done < self.peers {
            worker.step_or_park(None);
            self.receive();
        }
        while self.reports.len() < processes {
            if let Some(made) = report.as_mut().and_then(|report| report()) {
                self.broadcast(Message::Report(made));
                report = None;
            }
            worker.step_or_park(report.is_some().then_some(REPORT_POLL));
            self.receive();
        }
        let reports = std::mem::take(&mut self.reports);
        self.close();
        reports
    }

    /// Ends the dataflow.
    pub(super) fn close(self) {
        self.open.set(false);
        self.activator.activate();
    }

    fn broadcast(&self, message: Message) {
        tracing::debug!(worker = self.me, ?message, "control");
        self.outbox.borrow_mut().push_back(message);
        self.activator.activate();
    }

    fn receive(&mut self) {
        for message in self.inbox.borrow_mut().drain(..) {
            match message {
                Message::Ready { process, shared, resume_point } => {
                    self.ready.push((process, shared, resume_point));
                }
                Message::Stop(epoch) => self.stops.push(epoch),
                Message::Done => self.done += 1,
                Message::Report(report) => self.reports.push(report),
            }
        }
    }
}
