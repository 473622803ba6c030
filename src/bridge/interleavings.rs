//! What workers and the bridge share, under many schedules of their threads.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::attempt::{Attempt, Transport};
use super::body_memory::BodyMemory;
use super::core::Item as _;
use super::http_client::HttpClient;
use super::modelled::Same;
use super::shared::Shared;
use super::{
    Bridge, Budget, Failure, Outcome, Reply, ReplyReceiver, ReplySender, Settings, WorkItem,
    reply_channel,
};
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::schedules::{MANY, block_on, explore, mpsc, thread, wake_ups};

fn item(id: u64, range: Range<usize>, replies: &ReplySender<Vec<u32>>) -> WorkItem<Same> {
    WorkItem::new(id, Arc::new(vec![7; range.end]), range, replies.clone())
}

fn answer(item: WorkItem<Same>) {
    let out = |range: &Range<usize>| vec![7; range.len()];
    let done = |range: &_| Outcome::Done { out: out(range), refused: vec![], hedged: false };
    item.answer(0.0, None, done);
}

fn shared() -> Arc<Shared> {
    let endpoint = "http://127.0.0.1:1".parse().unwrap();
    let settings = Settings { endpoint, probes_at_start: false, ..Settings::default() };
    // It sends nothing, and takes longer to make than a test takes.
    static CLIENT: OnceLock<Arc<HttpClient>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| Arc::new(HttpClient::new(&settings).unwrap()));
    let budget = Budget::new(settings.cost_limits);
    Arc::new(Shared::new(settings, budget, Arc::clone(client)))
}

/// A worker, its replies, and those that it has handled.
struct Worker {
    replies: ReplyReceiver<Vec<u32>>,
    woken: mpsc::Receiver<()>,
    got: Vec<Reply<Vec<u32>>>,
}

impl Worker {
    fn new() -> (Worker, ReplySender<Vec<u32>>) {
        let (wake, woken) = wake_ups();
        let (sender, replies) = reply_channel(wake);
        (Worker { replies, woken, got: Vec::new() }, sender)
    }

    /// Takes the replies that have arrived, as the operator does in a turn.
    fn turn(&mut self) {
        self.replies.rearm();
        self.got.extend(std::iter::from_fn(|| self.replies.try_recv()));
    }

    /// Waits until somebody wakes the worker.
    fn sleep(&self) {
        self.woken.recv().unwrap();
    }

    /// Returns how often each of `records` was replied to.
    fn answers(mut self, records: usize) -> Vec<usize> {
        self.turn();
        let mut answers = vec![0; records];
        self.got.into_iter().flat_map(|reply| reply.range).for_each(|at| answers[at] += 1);
        answers
    }
}

#[test]
fn a_record_that_the_worker_the_bridge_and_a_hedge_take_has_one_result() {
    const RECORDS: usize = 6;
    explore(MANY, || {
        let (worker, replies) = Worker::new();
        let first = item(0, 0..RECORDS, &replies);
        let pending = Arc::clone(first.pending());
        let (mut hedge, mut back) = (first.duplicate(), first.duplicate());
        let half = hedge.split(RECORDS / 2);
        back.split(RECORDS - 2);
        let bridge = [
            thread::spawn(move || answer(first)),
            thread::spawn(move || [half, hedge].into_iter().for_each(answer)),
            thread::spawn(move || back.return_with(0.0, &Failure::TimedOut)),
        ];
        let mut own = Vec::new();
        while pending.any(&(0..RECORDS))
            && let Some(range) = pending.take_front(2)
        {
            own.extend(range);
        }
        bridge.into_iter().for_each(|thread| thread.join().unwrap());
        let mut made = worker.answers(RECORDS);
        own.into_iter().for_each(|at| made[at] += 1);
        assert_eq!(made, [1; RECORDS]);
    });
}

#[test]
fn no_reply_waits_in_the_channel_of_a_worker_that_sleeps() {
    explore(MANY, || {
        let (mut worker, replies) = Worker::new();
        for part in [0..2, 2..3] {
            let replies = replies.clone();
            thread::spawn(move || part.for_each(|at| drop(item(0, at..at + 1, &replies))));
        }
        worker.turn();
        while worker.got.len() < 3 {
            worker.sleep();
            worker.turn();
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "an HTTP client calls C")]
fn a_worker_that_waits_for_room_is_woken_when_there_is_room_or_the_bridge_is_closed() {
    for (is_closed, has_reply) in [(false, false), (false, true), (true, false), (true, true)] {
        explore(MANY / 4, move || {
            let shared = shared();
            let room = shared.offer().room;
            shared.waiting.store(room, Relaxed);
            let (mut worker, replies) = Worker::new();
            let waker = Arc::clone(replies.waker());
            if has_reply {
                thread::spawn(move || drop(item(0, 0..1, &replies)));
            }
            let bridge = Arc::clone(&shared);
            thread::spawn(move || {
                // The driver also wakes up for other reasons.
                bridge.wake_waiters();
                if is_closed {
                    bridge.closed.send_replace(true);
                } else {
                    bridge.waiting.store(0, Relaxed);
                }
                bridge.wake_waiters();
            });
            worker.turn();
            while shared.waits_for_room(&waker) {
                worker.sleep();
                worker.turn();
            }
        });
    }
}

/// A remote side that never answers.
struct Nowhere;

impl Transport<Same> for Nowhere {
    fn send(&mut self, _: Attempt<Same>) -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
    }
}

#[test]
#[cfg_attr(miri, ignore = "an HTTP client calls C")]
fn records_that_are_handed_over_while_the_bridge_ends_are_returned_or_stay_with_their_worker() {
    const RECORDS: usize = 6;
    explore(MANY, || {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let bridge = Bridge::new(shared(), runtime.handle().clone(), oneshot::channel().0);
        let same: Same = crate::task::function("same", |record| Ok(*record));
        let random = StdRng::seed_from_u64(0);
        let remote_task = bridge.remote_task_by(Nowhere, random, Arc::new(same));
        let (worker, replies) = Worker::new();
        let ending = thread::spawn(move || {
            // The driver takes what has been handed over until now. It ends with the runtime.
            runtime.block_on(tokio::task::yield_now());
            drop(runtime);
        });
        let mut stay = Vec::new();
        for start in (0..RECORDS).step_by(2) {
            if remote_task.send(item(0, start..start + 2, &replies)).is_err() {
                stay.extend(start..start + 2);
            }
        }
        ending.join().unwrap();
        let mut has = worker.answers(RECORDS);
        stay.into_iter().for_each(|at| has[at] += 1);
        assert_eq!(has, [1; RECORDS]);
        assert!(remote_task.send(item(0, 0..1, &replies)).is_err());
    });
}

#[test]
fn permits_never_exceed_the_limit_and_whoever_waits_for_memory_gets_it() {
    const LIMIT: usize = 10;
    explore(MANY, || {
        let memory = BodyMemory::new(LIMIT);
        let held = Arc::new(AtomicUsize::new(0));
        for bytes in [6, 7] {
            let (memory, held) = (memory.clone(), Arc::clone(&held));
            thread::spawn(move || {
                let mut permit = memory.permit();
                if permit.grow(bytes) {
                    assert!(held.fetch_add(bytes, Relaxed) + bytes <= LIMIT);
                    held.fetch_sub(bytes - 4, Relaxed);
                    permit.shrink(4);
                    held.fetch_sub(4, Relaxed);
                }
            });
        }
        // The driver waits like this.
        loop {
            let freed = memory.freed();
            if memory.has_room(LIMIT) {
                break;
            }
            block_on(freed);
        }
    });
}
