//! The largest number of records per request. It is halved when a request is too large, and grows again
//! slowly. The work of a request may limit it further.

/// Limit on the records of a request, from 1 to the configured batch size.
#[derive(Debug)]
pub(super) struct BatchSize {
    limit: usize,
    /// How many records are worth as much work as a request may have.
    most: usize,
    batch: usize,
}

impl BatchSize {
    /// Creates a limit of `batch` records.
    pub(super) fn new(batch: usize) -> Self {
        BatchSize { limit: batch, most: batch, batch }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.min(self.most)
    }

    /// Sets how many records are worth as much work as a request may have.
    pub(super) fn set_most(&mut self, records: usize) {
        self.most = records;
    }

    /// Records that a request of `records` records was too large for the function or the service: halves the
    /// limit.
    pub(super) fn too_large(&mut self, records: usize) {
        self.limit = self.limit.min((records / 2).max(1));
    }

    /// Records that a request of `records` records was not too large: raises the limit slowly.
    pub(super) fn not_too_large(&mut self, records: usize) {
        if records >= self.limit() {
            let more = self.limit / 32 + 1;
            self.limit = (self.limit + more).min(self.batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_halves_at_once_and_grows_slowly() {
        let mut size = BatchSize::new(1_000);
        size.too_large(1_000);
        assert_eq!(size.limit(), 500);
        size.too_large(800);
        assert_eq!(size.limit(), 400, "the request is larger than the limit");
        size.not_too_large(399);
        assert_eq!(size.limit(), 400, "a small request says nothing about larger ones");
        size.not_too_large(400);
        assert_eq!(size.limit(), 413);
        size.too_large(1);
        assert_eq!(size.limit(), 1);
        (0..1_000).for_each(|_| size.not_too_large(1_000));
        assert_eq!(size.limit(), 1_000);
        size.set_most(80);
        assert_eq!(size.limit(), 80);
        size.too_large(80);
        assert_eq!(size.limit(), 40, "the service may take less than that");
    }
}
