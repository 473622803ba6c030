//! The body of a request.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::body_memory::MemoryPermit;
use crate::sync::Mutex;

/// The body of a request. A clone is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub bytes: Bytes,
    pub records: usize,
    /// Expected size of the response in bytes.
    pub expected: usize,
    /// Memory permit for the bodies of the request and of the expected response.
    memory: Arc<Mutex<Option<MemoryPermit>>>,
}

impl Body {
    pub(super) fn new(bytes: Bytes, records: usize, expected: usize, memory: MemoryPermit) -> Self {
        let memory = Arc::new(Mutex::new(Some(memory)));
        Body { bytes, records, expected, memory }
    }

    /// Takes the memory permit, which is released when the workers have taken the results.
    pub(super) fn take_memory(&self) -> Option<MemoryPermit> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
