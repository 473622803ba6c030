//! What the workers of a run tell each other beside the stream: that they are ready, that they
//! stop, and what they did.
//!
//! A dataflow of its own, in which each worker can broadcast a [`Message`] at any time and sees
//! everybody's. It lives as long as any worker holds its [`Control`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::{Activator, SyncActivator};
use timely::worker::Worker;

use super::beginning::Beginning;

/// What a worker says to all.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    /// It is set up for a run of these settings that begins there.
    Ready { fingerprint: u64, beginning: Beginning },
    /// It was asked to stop, and has begun no epoch after this one.
    Stop(u64),
    /// Its dataflow is done.
    Done,
    /// Its process's figures.
    Report(Vec<u8>),
}

/// The processes of a run do not agree on what it is.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// They were given different settings.
    #[error(
        "the processes of this run were given different settings: only -p, --summary and what is said of the \
         remote side may differ"
    )]
    Settings,
    /// They see different commits: the output was still being written to when the first of them looked.
    #[error(
        "the processes of this run see different commits of its output: were those of the run before still \
         ending? Start them again"
    )]
    Beginning,
}

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
    ready: Vec<(u64, Beginning)>,
    stops: Vec<u64>,
    said_stop: bool,
    done: usize,
    reports: Vec<Vec<u8>>,
}

impl Control {
    /// Builds the dataflow. All workers do so first of all.
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
            said_stop: false,
            done: 0,
            reports: Vec::new(),
        }
    }

    /// Wakes the worker from another thread.
    pub(super) fn waker(&self) -> SyncActivator {
        self.sync_activator.clone()
    }

    /// Waits for all workers: the run starts when the last of them is ready. Each hears of that as soon as a
    /// message takes to come, so their starts lie no further apart than that, whatever their clocks say.
    ///
    /// # Errors
    /// If not all have the same `fingerprint` of their settings, or see the same `beginning`: all
    /// workers see that.
    pub(super) fn agree_on_start(
        &mut self,
        worker: &mut Worker,
        fingerprint: u64,
        beginning: &Beginning,
    ) -> Result<(), Disagreement> {
        self.say(Message::Ready { fingerprint, beginning: beginning.clone() });
        while self.ready.len() < self.peers {
            worker.step_or_park(None);
            self.read();
        }
        if self.ready.iter().any(|(other, _)| *other != fingerprint) {
            return Err(Disagreement::Settings);
        }
        if self.ready.iter().any(|(_, other)| other != beginning) {
            return Err(Disagreement::Beginning);
        }
        Ok(())
    }

    /// Says that this worker was asked to stop and has begun no epoch after `epoch`. Only the
    /// first time counts.
    pub(super) fn stop(&mut self, epoch: u64) {
        if !std::mem::replace(&mut self.said_stop, true) {
            self.say(Message::Stop(epoch));
        }
    }

    /// Whether anybody was asked to stop, so that all must answer.
    pub(super) fn stop_was_said(&mut self) -> bool {
        self.read();
        !self.stops.is_empty()
    }

    /// The last epoch of the run, once all workers have said how far they are: the same on all.
    pub(super) fn last_epoch(&self) -> Option<u64> {
        (self.stops.len() == self.peers).then(|| self.stops.iter().max().copied()).flatten()
    }

    /// Says that this worker is done, and waits until all are. Then one worker of each of the
    /// `processes` gives its process's figures with `report`; all workers get all of them.
    pub(super) fn finish(
        mut self,
        worker: &mut Worker,
        processes: usize,
        report: Option<impl FnOnce() -> Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        self.say(Message::Done);
        while self.done < self.peers {
            worker.step_or_park(None);
            self.read();
        }
        if let Some(report) = report {
            self.say(Message::Report(report()));
        }
        while self.reports.len() < processes {
            worker.step_or_park(None);
            self.read();
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

    fn say(&self, message: Message) {
        tracing::debug!(worker = self.me, ?message, "control");
        self.outbox.borrow_mut().push_back(message);
        self.activator.activate();
    }

    fn read(&mut self) {
        for message in self.inbox.borrow_mut().drain(..) {
            match message {
                Message::Ready { fingerprint, beginning } => {
                    self.ready.push((fingerprint, beginning));
                }
                Message::Stop(epoch) => self.stops.push(epoch),
                Message::Done => self.done += 1,
                Message::Report(report) => self.reports.push(report),
            }
        }
    }
}
