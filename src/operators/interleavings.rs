//! What workers share, under many schedules of their threads.

use std::sync::Arc;

use super::peers::Peers;
use crate::bridge::{Outcome, ReplyReceiver, WorkItem, reply_channel};
use crate::sync::schedules::{MANY, explore, thread};
use crate::task::{Code, Function};

type Same = Function<fn(&u32) -> Result<u32, Code>, u32, u32>;

const RECORDS: usize = 10;

/// Counts the replies to each record.
fn count(replies: &ReplyReceiver<Vec<u32>>, answers: &mut [usize; RECORDS]) {
    let replies = std::iter::from_fn(|| replies.try_recv());
    replies.flat_map(|reply| reply.range).for_each(|at| answers[at] += 1);
}

#[test]
fn a_peer_that_ends_took_no_more_than_its_capacity_and_returns_or_answers_each_record_once() {
    const CAPACITY: usize = 6;
    explore(MANY, || {
        let peers = Peers::default();
        let mut idle = peers.join::<Same>("same", Arc::new(|| ()));
        let loaded = [0, 1].map(|_| {
            let queue = peers.join::<Same>("same", Arc::new(|| ()));
            thread::spawn(move || {
                let (sender, replies) = reply_channel(Arc::new(|| ()));
                let (mut answers, mut left) = ([0; RECORDS], 0);
                for range in [0..3, 3..8, 8..10] {
                    let item = WorkItem::new(0, Arc::new(vec![7; RECORDS]), range, sender.clone());
                    if let Some(item) = queue.offer(item) {
                        left += item.records();
                        item.range().for_each(|at| answers[at] += 1);
                        item.take_back();
                    }
                }
                (replies, answers, left)
            })
        });
        // In between it has records of its own.
        for capacity in [CAPACITY, 0, CAPACITY, CAPACITY] {
            idle.receive(capacity);
        }
        if let Some(item) = idle.next(2) {
            let out = |range: &std::ops::Range<usize>| vec![7; range.len()];
            item.answer(0.0, None, |range| Outcome::Done {
                out: out(range),
                refused: Vec::new(),
                hedged: false,
            });
        }
        drop(idle);
        let mut taken = 0;
        for thread in loaded {
            let (replies, mut answers, left) = thread.join().unwrap();
            taken += RECORDS - left;
            count(&replies, &mut answers);
            assert_eq!(answers, [1; RECORDS]);
        }
        assert!(taken <= CAPACITY, "{taken}");
    });
}
