//! What each function was billed.

use std::time::Duration;

use serde::Serialize;

use super::FunctionCounters;
use crate::units::{show_count, show_duration, show_many};

/// What a function was billed. Where the service meters an attempt, there is also an estimate to compare with.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct FunctionBill {
    pub name: String,
    pub attempts: u64,
    pub billed_ms: f64,
    pub metered: u64,
    pub metered_ms: f64,
    pub estimated_ms: f64,
    pub cost_usd: f64,
}

impl FunctionBill {
    pub(super) fn of(function: &FunctionCounters) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        let counters = &function.counters;
        FunctionBill {
            name: function.name.clone(),
            attempts: counters.billed,
            billed_ms: ms(counters.billed_us),
            metered: counters.metered,
            metered_ms: ms(counters.metered_us),
            estimated_ms: ms(counters.estimated_us),
            cost_usd: function.cost_usd,
        }
    }

    /// Returns in words how many attempts the service metered, and how the others are estimated.
    pub(super) fn words(&self) -> String {
        let time = |ms: f64| show_duration(Duration::from_secs_f64(ms.max(0.0) / 1e3));
        let all = show_many(self.attempts, "attempt");
        if self.metered == 0 {
            let billed = time(self.billed_ms);
            return format!(
                "{}: {all}, {billed} estimated from their duration (the service does not say what it bills)",
                self.name
            );
        }
        let others = match self.attempts.saturating_sub(self.metered) {
            0 => String::new(),
            others => {
                let took = time(self.billed_ms - self.metered_ms);
                format!(
                    "; {} not metered, {took} estimated from their duration",
                    show_count(others)
                )
            }
        };
        let (metered, trips) = (time(self.metered_ms), time(self.estimated_ms));
        format!("{}: {all}, {metered} metered (their round trips: {trips}){others}", self.name)
    }
}
