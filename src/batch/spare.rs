//! Buffers that are used again.
//!
//! A batch lives for a fraction of a millisecond. Memory of its size, given back to the system and
//! taken again, costs a page fault for each 4 KiB, and comes back cold: more than the batch's work
//! (`docs/benchmarks.md`). So each thread keeps the buffers of the last few batches that ended on
//! it for the next ones that begin there.

use std::cell::RefCell;

/// Buffers that a thread keeps: as many as are alive between two operators' turns.
const KEPT: usize = 8;

/// Smaller ones are left to the allocator, which is quick with them; larger ones are rare.
const WORTH: std::ops::Range<usize> = 32 << 10..8 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for `capacity` bytes.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    if !WORTH.contains(&capacity) {
        return Vec::with_capacity(capacity);
    }
    // A thread that is ending keeps nothing.
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    let mut buffer = spare.unwrap_or_default();
    buffer.reserve(capacity);
    buffer
}

/// Keeps a buffer for later, or lets it go.
pub(super) fn keep(mut buffer: Vec<u8>) {
    if !WORTH.contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}
