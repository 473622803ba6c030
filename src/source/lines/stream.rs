//! The workers' side of the reader.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use timely::container::NoopBuilder;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

use super::Lines;
use super::link::Message;
use crate::batch::{Batch, Span, TextRecord};
use crate::observe::WorkerStats;
use crate::operators::Clock;
use crate::source::{Gate, Pace};
use crate::task::Bad;

/// What a worker's source of lines needs.
pub struct LineSource {
    /// The readers of its process.
    pub lines: Option<Arc<Lines>>,
    /// When the input ends, if that is a matter of time.
    pub pace: Arc<Pace>,
    /// The worker's place among the process's workers.
    pub place: usize,
    /// The run's clock.
    pub clock: Clock,
    /// Where it waits.
    pub gate: Gate,
    /// Where it counts.
    pub stats: Arc<WorkerStats>,
}

/// Batches that leave before the operators behind get their turn.
const BATCHES_A_TURN: usize = 2;

/// The stream of lines, and the stream of lines that are bad.
pub fn lines<'scope>(
    scope: &Scope<'scope, u64>,
    source: LineSource,
) -> (Stream<'scope, u64, Batch>, Stream<'scope, u64, Vec<Bad<TextRecord>>>) {
    let LineSource { lines, pace, place, clock, gate, stats } = source;
    let mut builder = OperatorBuilder::new("Lines".to_owned(), *scope);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    gate.attach(scope.activator_for(address.clone()));
    let (output, stream) = builder.new_output::<Batch>();
    let (bad, bad_stream) = builder.new_output::<Vec<Bad<TextRecord>>>();
    let mut output = OutputBuilder::<_, NoopBuilder<_>>::from(output);
    let mut bad = OutputBuilder::<_, NoopBuilder<_>>::from(bad);
    let messages = lines.and_then(|lines| {
        let messages = lines.worker(place)?;
        let wake = scope.worker().sync_activator_for(address.to_vec());
        messages.meet(Box::new(move || {
            let _ = wake.activate();
        }));
        Some(messages)
    });
    builder.build(move |mut capabilities| {
        let both = capabilities.pop().zip(capabilities.pop());
        // The reader ends when this end is gone.
        let mut held = both.zip(messages);
        let mut front: Option<Message> = None;
        let mut is_new = true;
        move |_| {
            if std::mem::take(&mut is_new)
                && let Some(stop) = pace.stop_at()
            {
                // Input that never comes wakes nobody.
                activator.activate_after(clock.until(stop));
            }
            if pace.is_over(clock.now()) {
                held = None;
            }
            let Some(((bad_capability, capability), messages)) = &mut held else {
                stats.waits.end();
                stats.emits_next(None);
                return;
            };
            messages.look();
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
                let (epoch, mut cut) = match message {
                    Message::Before(epoch) => {
                        capability.downgrade(&epoch);
                        bad_capability.downgrade(&epoch);
                        continue;
                    }
                    Message::Lines(epoch, cut) => (epoch, cut),
                };
                let is_scheduled = cut.batch.span != Span::default();
                let wait = clock.until(cut.batch.span.last);
                if !gate.wants(epoch) {
                    stats.waits.end();
                    stats.emits_next(None);
                    held = None;
                    return;
                }
                if wait > Duration::ZERO || !gate.may_emit(epoch) {
                    stats.emits_next(is_scheduled.then_some(cut.batch.span.first));
                    front = Some(Message::Lines(epoch, cut));
                    if wait > Duration::ZERO {
                        activator.activate_after(wait);
                    }
                    return;
                }
                if !cut.batch.is_empty() {
                    if !is_scheduled {
                        cut.batch.span = Span::at(clock.now());
                    }
                    let mut session = output.activate();
                    session.session_with_builder(capability).give_container(&mut cut.batch);
                }
                if !cut.bad.is_empty() {
                    stats.bad_at_source(cut.bad.len(), clock.now());
                    let mut session = bad.activate();
                    session.session_with_builder(bad_capability).give_container(&mut cut.bad);
                }
            }
            activator.activate();
        }
    });
    (stream, bad_stream)
}
