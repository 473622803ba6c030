//! How many records a request may hold: halved where the remote side takes no more, and grown again
//! little by little.

/// Records of a request at most: from one to the batch's own size.
#[derive(Debug)]
pub(super) struct BatchSize {
    limit: usize,
    batch: usize,
}

impl BatchSize {
    /// A whole batch is not too large before it was found to be.
    pub(super) fn new(batch: usize) -> Self {
        BatchSize { limit: batch, batch }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// So many records were too large, for the function or for the service: half of them may not be.
    pub(super) fn too_large(&mut self, records: usize) {
        self.limit = self.limit.min((records / 2).max(1));
    }

    /// So many records were not: more are tried, little by little.
    pub(super) fn not_too_large(&mut self, records: usize) {
        if records >= self.limit {
            let more = self.limit / 32 + 1;
            self.limit = (self.limit + more).min(self.batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_once_and_grows_slowly() {
        let mut size = BatchSize::new(1_000);
        size.too_large(1_000);
        assert_eq!(size.limit(), 500);
        size.too_large(800);
        assert_eq!(size.limit(), 400, "more than fits now");
        size.not_too_large(399);
        assert_eq!(size.limit(), 400, "that says nothing of more");
        size.not_too_large(400);
        assert_eq!(size.limit(), 413);
        size.too_large(1);
        assert_eq!(size.limit(), 1);
        (0..1_000).for_each(|_| size.not_too_large(1_000));
        assert_eq!(size.limit(), 1_000);
    }
}
