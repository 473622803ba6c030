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

impl Prices {
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
