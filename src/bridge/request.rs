//! A request: its work items, the body made of them, and their outcome.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::attempt::Bill;
use super::attempt_permit::AttemptPermit;
use super::body_memory::MemoryPermit;
use super::retry::RetryLoop;
use super::shared::Shared;
use super::{Failure, WorkItem};
use crate::batch::BATCH_BYTES;
use crate::batch::spare;
use crate::task::Task;
use crate::wire::RequestBody;

/// Work items that are sent together, in order, and the body made of them.
pub(super) struct Request<K: Task> {
    pub items: Vec<WorkItem<K>>,
    pub records: usize,
    /// Records that cannot be sent and were returned while the request was filled.
    pub returned: usize,
    pub body: Bytes,
    /// Expected size of the response in bytes.
    expected: usize,
    /// Memory permit for the bodies of the request and of the response.
    memory: Option<MemoryPermit>,
}

impl<K: Task> Request<K> {
    /// Fills a request from the front of `items`, up to `records` records and `limit` bytes, or up to `most`
    /// bytes with a single record. Records that cannot be sent are returned.
    pub(super) fn fill(
        items: &mut std::collections::VecDeque<WorkItem<K>>,
        task: &K,
        records: usize,
        limit: usize,
        most: usize,
    ) -> Request<K> {
        let mut body = RequestBody::begin(spare::take(BATCH_BYTES), task.name(), task.work(), most);
        let mut taken = Vec::new();
        let mut returned = 0;
        while body.records() < records
            && let Some(item) = items.front_mut()
        {
            let range = item.range();
            let wanted = if body.records() == 0 { 1 } else { records - body.records() };
            let wanted = wanted.min(range.len());
            let pushed = body.push(item.input().as_ref(), range.start..range.start + wanted);
            let (fitted, unwritable) = match &pushed {
                Ok(fitted) => (*fitted, false),
                Err(error) => (error.index - range.start, true),
            };
            if fitted > 0 {
                taken.push(item.split(fitted));
            }
            if unwritable {
                returned += 1;
                item.split(1).return_with(0.0, &Failure::Encode);
            } else if fitted < wanted {
                // The body is full. A record that does not fit even alone is returned.
                if body.records() == 0 {
                    returned += 1;
                    item.split(1).return_with(0.0, &Failure::TooLarge);
                } else {
                    break;
                }
            }
            if item.records() == 0 {
                items.pop_front();
            }
            if body.records() > 0 {
                body.set_limit(limit);
            }
        }
        Request {
            items: taken,
            records: body.records(),
            returned,
            body: Bytes::from_owner(spare::Kept(spare::fitted(body.finish()))),
            expected: 0,
            memory: None,
        }
    }

    /// Takes a memory permit for the body and the expected response. There is room for it.
    pub(super) fn with_memory(mut self, shared: &Shared) -> Self {
        self.expected = shared.expected_answer(self.body.len());
        let mut permit = shared.body_memory.permit();
        permit.grow(2 * self.body.len() + self.expected);
        self.memory = Some(permit);
        self
    }

    /// Sends the request until it is answered or its records are returned. A request that is too large is
    /// given back as two halves, and one that has to wait for room is given back whole. Each is sent again as
    /// a request of its own.
    pub(super) async fn run(
        self,
        shared: &Arc<Shared>,
        task: &Arc<K>,
        attempt: AttemptPermit,
    ) -> Vec<Vec<WorkItem<K>>> {
        let Request { items, records, body, expected, memory, .. } = self;
        let live = &shared.live;
        live.add(|live| &live.requests, 1);
        live.add(|live| &live.records_sent, records as u64);
        let bill = Bill::default();
        let answer = {
            let task = task.as_ref();
            RetryLoop {
                shared,
                task,
                items: &items,
                body: &body,
                expected,
                records,
                bill: &bill,
                overdue: AtomicBool::new(false),
                on_wire: AtomicBool::new(false),
            }
            .run(attempt)
            .await
        };
        let usd = bill.usd(&shared.settings.cost) / records as f64;
        match answer {
            Ok(answer) => {
                shared.admission(|admission, _| admission.not_too_large(records));
                answer.deliver(items, task.as_ref(), shared, usd, memory);
                Vec::new()
            }
            Err(failure) if failure.is_size() && records > 1 => {
                if failure == Failure::AnswerTooLong {
                    shared.learn_too_large(body.len());
                }
                shared.admission(|admission, now| admission.too_large(now, records));
                shared.warn_once(&failure);
                halves(items, records)
            }
            // A request beyond the quota waits for room if its workers leave their records to the remote
            // side.
            Err(failure)
                if failure.may_wait_for_room() && items.iter().all(WorkItem::is_remote_only) =>
            {
                vec![items]
            }
            Err(failure) => {
                if failure.is_size() {
                    shared.admission(|admission, now| admission.too_large(now, records));
                }
                shared.warn_once(&failure);
                live.add(|live| &live.failed, u64::from(failure != Failure::DoneLocally));
                for item in items {
                    item.return_with(usd, &failure);
                }
                Vec::new()
            }
        }
    }
}

/// Splits the work items of a request into two halves.
fn halves<K: Task>(items: Vec<WorkItem<K>>, records: usize) -> Vec<Vec<WorkItem<K>>> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut left = records / 2;
    for mut item in items {
        let taken = item.split(left);
        left -= taken.records();
        for (item, half) in [(taken, &mut first), (item, &mut second)] {
            if item.records() > 0 {
                half.push(item);
            }
        }
    }
    vec![first, second]
}
