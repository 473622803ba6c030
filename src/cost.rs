//! What the remote side costs.

/// Prices of Lambda, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// Of a million requests.
    pub million_requests: f64,
    /// Of a second of a gigabyte of memory.
    pub gb_second: f64,
}

impl Default for Prices {
    /// The list prices of us-east-1 on x86.
    fn default() -> Self {
        Prices { million_requests: 0.20, gb_second: 0.000_016_666_7 }
    }
}

/// What functions of some memory cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// The prices.
    pub prices: Prices,
    /// The function's memory in MB.
    pub memory_mb: u32,
}

impl Default for Cost {
    /// One virtual CPU at list prices.
    fn default() -> Self {
        Cost { prices: Prices::default(), memory_mb: 1_769 }
    }
}

/// The memory in MB of a function that has one virtual CPU. One of less memory has a share of it.
const ONE_CPU_MB: f64 = 1_769.0;

impl Cost {
    /// What a record costs that takes a worker `record_ms`, in requests of `records` records, if a virtual CPU takes as
    /// long as a worker.
    pub fn usd_per_record(&self, records: usize, record_ms: f64) -> f64 {
        let records = records.max(1) as f64;
        let slower = (ONE_CPU_MB / f64::from(self.memory_mb.max(1))).max(1.0);
        self.usd(1, records * record_ms * slower) / records
    }

    /// What `requests` cost that were billed `billed_ms` together.
    pub fn usd(&self, requests: u64, billed_ms: f64) -> f64 {
        self.prices.usd(requests, billed_ms, self.memory_mb)
    }
}

impl Prices {
    /// The list prices of us-east-1 on arm.
    pub fn arm() -> Self {
        Prices { gb_second: 0.000_013_333_4, ..Prices::default() }
    }

    /// Whether these are prices: numbers, and not negative.
    pub fn are_prices(&self) -> bool {
        [self.million_requests, self.gb_second]
            .iter()
            .all(|price| price.is_finite() && *price >= 0.0)
    }

    /// What `requests` cost that were billed `billed_ms` together, in functions of `memory_mb`.
    pub fn usd(&self, requests: u64, billed_ms: f64, memory_mb: u32) -> f64 {
        let gb_seconds = billed_ms / 1e3 * f64::from(memory_mb) / 1_024.0;
        requests as f64 / 1e6 * self.million_requests + gb_seconds * self.gb_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_short_requests_at_list_price() {
        let usd = Prices::default().usd(1_000_000, 1e9, 1_024);
        assert!((usd - (0.20 + 16.666_7)).abs() < 1e-6, "{usd}");
    }
}
