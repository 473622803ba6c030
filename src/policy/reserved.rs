//! Time of a worker that is reserved for other stages of its graph.

use crate::batch::Nanos;

/// How much of a worker's useful time the other stages of its graph need until some time, for the records that they
/// keep rather than this stage: it is dearer to send those, for the time that a worker saves.
///
/// # Examples
/// ```
/// use floodway::policy::Reserved;
///
/// // 2 ms are needed until 110 ms, and 6 ms until 120 ms.
/// let ms = 1_000_000;
/// let reserved = Reserved::new(100 * ms, 10 * ms, vec![0.0, 2e6, 6e6]);
/// assert_eq!(reserved.until(115 * ms), 4e6);
/// assert_eq!(reserved.until(500 * ms), 6e6);
/// assert_eq!(Reserved::NONE.until(500 * ms), 0.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reserved {
    from: Nanos,
    step: Nanos,
    nanos: Vec<f64>,
}

impl Reserved {
    /// Nothing is reserved.
    pub const NONE: &'static Reserved = &Reserved { from: 0, step: 1, nanos: Vec::new() };

    /// Creates it from the nanoseconds that are needed until `from`, and until the end of each `step` after it.
    pub fn new(from: Nanos, step: Nanos, nanos: Vec<f64>) -> Self {
        Reserved { from, step: step.max(1), nanos }
    }

    /// Returns whether there is no other stage.
    pub fn is_none(&self) -> bool {
        self.nanos.is_empty()
    }

    /// Returns the nanoseconds of useful time that are reserved until `time`.
    pub fn until(&self, time: Nanos) -> f64 {
        let Some(last) = self.nanos.last() else { return 0.0 };
        let steps = time.saturating_sub(self.from) as f64 / self.step as f64;
        let index = steps as usize;
        match self.nanos.get(index..index + 2) {
            Some(&[low, high]) => low + (high - low) * steps.fract(),
            _ => *last,
        }
    }

    /// Sets what is needed until each of these times anew. What is needed later and does not fit into the time after a
    /// step, of which `share` is useful, is needed before it.
    pub(crate) fn set(
        &mut self,
        from: Nanos,
        step: Nanos,
        share: f64,
        nanos: impl Iterator<Item = f64>,
    ) {
        (self.from, self.step) = (from, step.max(1));
        self.nanos.clear();
        self.nanos.extend(nanos);
        let in_step = step as f64 * share;
        let mut later = 0.0;
        for needed in self.nanos.iter_mut().rev() {
            *needed = needed.max(later - in_step);
            later = *needed;
        }
    }
}
