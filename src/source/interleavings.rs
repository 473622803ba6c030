//! Tests the channel of a reader and its worker under many schedules of their threads.

use crossbeam_channel::TryRecvError;

use super::SourceBatch;
use super::channel::{BatchReceiver, CAPACITY, Message, WORTH_WAKING, channel};
use crate::sync::schedules::{MANY, explore, mpsc, thread, wake_ups};

/// More messages than fit into the channel and into a worker that is being woken.
const MESSAGES: u64 = CAPACITY as u64 + 6;

/// A worker, and the epochs of the messages that it has got.
struct Worker {
    messages: BatchReceiver,
    woken: mpsc::Receiver<()>,
    got: Vec<u64>,
}

impl Worker {
    fn new(messages: BatchReceiver) -> Worker {
        let (wake, woken) = wake_ups();
        messages.bind(Box::new(move || wake()));
        Worker { messages, woken, got: Vec::new() }
    }

    /// Takes up to two messages, as the operator does in a turn, and sleeps if there are no more. Returns false at the
    /// end.
    fn turn(&mut self) -> bool {
        self.messages.begin_poll();
        for _ in 0..2 {
            match self.messages.next() {
                Ok(Message::Records(epoch, _) | Message::Before(epoch)) => self.got.push(epoch),
                Err(TryRecvError::Empty) => {
                    self.woken.recv().unwrap();
                    break;
                }
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }
}

#[test]
fn all_messages_arrive_although_reader_and_worker_sleep_while_they_have_nothing_to_do() {
    for wake_at in [1, WORTH_WAKING] {
        explore(MANY / 4, move || {
            let (sender, receiver) = channel();
            let reader = thread::spawn(move || {
                let sender = sender.bind(wake_at).unwrap();
                for epoch in 0..MESSAGES {
                    assert!(sender.send(Message::Records(epoch, SourceBatch::default())));
                }
                sender.close();
            });
            let mut worker = Worker::new(receiver);
            while worker.turn() {}
            assert!(worker.got.into_iter().eq(0..MESSAGES));
            reader.join().unwrap();
        });
    }
}

#[test]
fn a_reader_that_waits_for_room_or_for_its_worker_ends_when_the_worker_ends() {
    for turns in [None, Some(0), Some(3)] {
        explore(MANY / 4, move || {
            let (sender, receiver) = channel();
            let reader = thread::spawn(move || {
                let sender = sender.bind(WORTH_WAKING);
                let epochs = |epoch| Message::Before(epoch);
                sender.is_some_and(|sender| (0..).map(epochs).all(|message| sender.send(message)))
            });
            match turns {
                None => drop(receiver),
                Some(turns) => {
                    let mut worker = Worker::new(receiver);
                    (0..turns).for_each(|_| assert!(worker.turn()));
                }
            }
            assert!(!reader.join().unwrap());
        });
    }
}
