//! Reuses the buffers of batches.
//!
//! A batch exists for a fraction of a millisecond. Returning memory of its size to the system and taking it
//! again costs a page fault for each 4 KiB, and the memory is then not in the cache
//! (`docs/adr/0003-buffers-are-used-again.md`). So each thread keeps the buffers of the last few batches that
//! ended on it for the next ones that begin there. Buffers beyond that number are available to all threads,
//! because a batch may begin on one thread and end on another.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Number of buffers that a thread keeps: as many as exist between two operators' turns.
const KEPT: usize = 6;

/// Number of buffers that all threads share.
const SHARED: usize = 32;

/// Sizes of the buffers that are kept. The allocator is fast for smaller ones, and larger ones are rare.
const WORTH: Range<usize> = 32 << 10..8 << 20;

thread_local! {
    static OWN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

static LEFT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Returns an empty buffer with room for `capacity` bytes.
pub(crate) fn take(capacity: usize) -> Vec<u8> {
    if !WORTH.contains(&capacity) {
        return Vec::with_capacity(capacity);
    }
    // A thread that is ending keeps no buffers.
    let own = OWN.try_with(|own| fitting(&mut own.borrow_mut(), capacity)).ok().flatten();
    let mut buffer = own.or_else(|| fitting(&mut left(), capacity)).unwrap_or_default();
    buffer.reserve(capacity);
    buffer
}

/// Moves bytes to a buffer of at most twice their length.
pub(crate) fn fitted(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() <= 2 * bytes.len() {
        return bytes;
    }
    let mut buffer = take(bytes.len());
    buffer.extend_from_slice(&bytes);
    keep(bytes);
    buffer
}

/// Keeps a buffer for reuse, or frees it.
pub(crate) fn keep(mut buffer: Vec<u8>) {
    if !WORTH.contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let kept = OWN.try_with(|own| put(&mut own.borrow_mut(), KEPT, buffer));
    if let Ok(Some(buffer)) = kept {
        put(&mut left(), SHARED, buffer);
    }
}

/// Takes a buffer that fits, the most recent one first, because it is most likely in the cache. A buffer of
/// more than twice the capacity does not fit: a batch may wait in a queue, whose bound counts the batch's
/// bytes and not its capacity.
fn fitting(buffers: &mut Vec<Vec<u8>>, capacity: usize) -> Option<Vec<u8>> {
    let fits = capacity..=2 * capacity;
    let position = buffers.iter().rposition(|buffer| fits.contains(&buffer.capacity()))?;
    Some(buffers.remove(position))
}

/// Adds a buffer, or returns one if there are enough.
fn put(buffers: &mut Vec<Vec<u8>>, most: usize, buffer: Vec<u8>) -> Option<Vec<u8>> {
    if buffers.len() == most {
        // The oldest one may be too small for the present batches.
        let oldest = buffers.remove(0);
        buffers.push(buffer);
        return Some(oldest);
    }
    buffers.push(buffer);
    None
}

fn left() -> std::sync::MutexGuard<'static, Vec<Vec<u8>>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes whose buffer is reused when they are dropped.
pub(crate) struct Kept(pub Vec<u8>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_batch_reuses_the_buffer_of_the_last_one() {
        let mut buffer = take(100_000);
        buffer.push(1);
        let address = buffer.as_ptr();
        keep(buffer);
        let again = take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        keep(again);
        assert!(take(200_000).capacity() >= 200_000);
        let mut long = Vec::with_capacity(300_000);
        long.extend_from_slice(&[7; 40_000]);
        let short = fitted(long);
        assert!(short == [7; 40_000] && short.capacity() <= 80_000);
        let small = take(40_000);
        assert_ne!(small.as_ptr(), address, "the buffer is too large for a small batch");
    }
}
