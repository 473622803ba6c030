//! The operator of a worker that emits the records of a reader when they are due and flow control permits.

use std::time::Duration;

use crossbeam_channel::TryRecvError;
use timely::container::NoopBuilder;
use timely::dataflow::Scope;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::channel::{BatchReceiver, Message};
use super::{Streams, WorkerContext};
use crate::batch::{Batch, Note, Span, TextRecord};
use crate::task::Bad;

/// The number of batches that leave before the next operators get their turn.
const BATCHES_A_TURN: usize = 2;

/// Builds the operator `name`, which emits what arrives through `messages`.
pub(super) fn read<'scope>(
    scope: &Scope<'scope, u64>,
    name: &'static str,
    messages: Option<BatchReceiver>,
    worker: WorkerContext,
) -> Streams<'scope> {
    let WorkerContext { pace, clock, flow_control, stats, .. } = worker;
    let mut builder = OperatorBuilder::new(name.to_owned(), *scope);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    flow_control.attach(scope.activator_for(address.clone()));
    let (output, stream) = builder.new_output::<Batch>();
    let (bad, bad_stream) = builder.new_output::<Vec<Bad<TextRecord>>>();
    let (notes, note_stream) = builder.new_output::<Vec<Note>>();
    let mut output = OutputBuilder::<_, NoopBuilder<_>>::from(output);
    let mut bad = OutputBuilder::<_, NoopBuilder<_>>::from(bad);
    let mut notes = OutputBuilder::<_, NoopBuilder<_>>::from(notes);
    if let Some(messages) = &messages {
        let wake = scope.worker().sync_activator_for(address.to_vec());
        messages.bind(Box::new(move || {
            let _ = wake.activate();
        }));
    }
    builder.build(move |mut capabilities| {
        // The capabilities are in the order of the outputs, and are taken from the end.
        let all = capabilities.pop().zip(capabilities.pop()).zip(capabilities.pop());
        // The reader ends when the receiver is dropped.
        let mut held = all.zip(messages);
        let mut front: Option<Message> = None;
        let mut is_new = true;
        move |_| {
            if std::mem::take(&mut is_new)
                && let Some(stop) = pace.stop_at()
            {
                // If no input comes, nobody wakes the operator.
                activator.activate_after(clock.until(stop));
            }
            if pace.is_over(clock.now()) {
                held = None;
            }
            let Some((((of_notes, of_bad), capability), messages)) = &mut held else {
                stats.waits.end();
                stats.emits_next(None);
                return;
            };
            messages.begin_poll();
            for _ in 0..BATCHES_A_TURN {
                let message = match front.take() {
                    Some(message) => message,
                    None => match messages.next() {
                        Ok(message) => message,
                        Err(TryRecvError::Empty) => {
                            stats.emits_next(None);
                            return;
                        }
                        Err(TryRecvError::Disconnected) => {
                            stats.emits_next(None);
                            held = None;
                            return;
                        }
                    },
                };
                let (epoch, mut records) = match message {
                    Message::Before(epoch) => {
                        capability.downgrade(&epoch);
                        of_bad.downgrade(&epoch);
                        of_notes.downgrade(&epoch);
                        continue;
                    }
                    Message::Records(epoch, records) => (epoch, records),
                };
                let is_scheduled = records.batch.span != Span::default();
                let wait = clock.until(records.batch.span.last);
                if !flow_control.wants(epoch) {
                    stats.waits.end();
                    stats.emits_next(None);
                    held = None;
                    return;
                }
                if wait > Duration::ZERO || !flow_control.may_emit(epoch) {
                    stats.emits_next(is_scheduled.then_some(records.batch.span.first));
                    front = Some(Message::Records(epoch, records));
                    if wait > Duration::ZERO {
                        activator.activate_after(wait);
                    }
                    return;
                }
                if !records.batch.is_empty() {
                    if !is_scheduled {
                        records.batch.span = Span::at(clock.now());
                    }
                    if is_scheduled {
                        let last = records.batch.span.last;
                        stats.reached_due(last);
                        // What follows is due at that time or later.
                        stats.emits_next(Some(last));
                    }
                    stats.emitted(records.batch.len() as u64);
                    let mut session = output.activate();
                    session.session_with_builder(capability).give_container(&mut records.batch);
                }
                if !records.bad.is_empty() {
                    stats.bad_at_source(records.bad.len(), clock.now());
                    let mut session = bad.activate();
                    session.session_with_builder(of_bad).give_container(&mut records.bad);
                }
                if !records.notes.is_empty() {
                    let mut session = notes.activate();
                    session.session_with_builder(of_notes).give_container(&mut records.notes);
                }
            }
            activator.activate();
        }
    });
    Streams { records: stream, bad: bad_stream, notes: Some(note_stream) }
}
