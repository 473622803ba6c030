//! Makes requests of work items.

use std::collections::VecDeque;

use bytes::Bytes;

use super::body::Body;
use super::core::{Filled, Item as _};
use super::shared::Shared;
use super::{Failure, WorkItem};
use crate::batch::BATCH_BYTES;
use crate::batch::spare;
use crate::task::Task;
use crate::wire::RequestBody;

/// Makes a request of the front of `items`, up to `records` records and `limit` bytes, or up to `most` bytes
/// with a single record. Records that cannot be sent are returned. There is memory for the request.
pub(super) fn fill<K: Task>(
    items: &mut VecDeque<WorkItem<K>>,
    task: &K,
    records: usize,
    limit: usize,
    most: usize,
    shared: &Shared,
) -> Filled<WorkItem<K>> {
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
    let records = body.records();
    let bytes = Bytes::from_owner(spare::Kept(spare::fitted(body.finish())));
    let expected = shared.expected_answer(bytes.len());
    let mut memory = shared.body_memory.permit();
    memory.grow(2 * bytes.len() + expected);
    let body = Body::new(bytes, records, expected, memory);
    Filled { items: taken, records, taken: records + returned, body }
}
