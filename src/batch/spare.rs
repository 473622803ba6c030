//! Buffers that are used again.
//!
//! A batch lives for a fraction of a millisecond. Memory of its size, given back to the system and
//! taken again, costs a page fault for each 4 KiB, and comes back cold
//! (`docs/adr/0003-buffers-are-used-again.md`). So each thread keeps the buffers of the last few batches that ended on
//! it for the next ones that begin there; what it has too many of it leaves to the others, for
//! batches may begin on one thread and end on another.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Buffers that a thread keeps: as many as are alive between two operators' turns.
const KEPT: usize = 6;

/// Buffers that lie between the threads.
const SHARED: usize = 32;

/// Smaller ones are left to the allocator, which is quick with them; larger ones are rare.
const WORTH: Range<usize> = 32 << 10..8 << 20;

thread_local! {
    static OWN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

static LEFT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer with room for `capacity` bytes.
pub(crate) fn take(capacity: usize) -> Vec<u8> {
    if !WORTH.contains(&capacity) {
        return Vec::with_capacity(capacity);
    }
    // A thread that is ending keeps nothing.
    let own = OWN.try_with(|own| fitting(&mut own.borrow_mut(), capacity)).ok().flatten();
    let mut buffer = own.or_else(|| fitting(&mut left(), capacity)).unwrap_or_default();
    buffer.reserve(capacity);
    buffer
}

/// The same bytes in a buffer of at most twice their length.
pub(crate) fn fitted(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() <= 2 * bytes.len() {
        return bytes;
    }
    let mut buffer = take(bytes.len());
    buffer.extend_from_slice(&bytes);
    keep(bytes);
    buffer
}

/// Keeps a buffer for later, or lets it go.
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

/// A buffer that fits, the last one kept first: it is the warmest. One of more than twice the size
/// does not: a batch may wait in a queue, whose bound counts what it holds and not its room.
fn fitting(buffers: &mut Vec<Vec<u8>>, capacity: usize) -> Option<Vec<u8>> {
    let fits = capacity..=2 * capacity;
    let position = buffers.iter().rposition(|buffer| fits.contains(&buffer.capacity()))?;
    Some(buffers.remove(position))
}

/// Adds a buffer, or gives it back where there are enough.
fn put(buffers: &mut Vec<Vec<u8>>, most: usize, buffer: Vec<u8>) -> Option<Vec<u8>> {
    if buffers.len() == most {
        // The oldest may be too small for what is wanted now.
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

/// Bytes whose buffer is used again when they are done with.
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
    fn the_buffer_of_a_batch_is_the_next_ones_too() {
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
        assert_ne!(small.as_ptr(), address, "it is too large for so little");
    }
}
