//! Limits the cost.
//!
//! A budget is a bound on dollars: for any hour, in total, or both. The cost of an attempt is known when it
//! ends. So an attempt is sent only if the rest of the budget covers it and all attempts in flight, each at
//! the highest recent price. The budget is exceeded at most by what the last attempts cost above that price.
//! The code is pure: every method takes the time as an argument.
//!
//! The bridges of a process may share a budget. Each has prices of its own, and tells the others what its attempts in
//! flight may cost. Two bridges may send an attempt at the same instant for the same last dollars, so that a shared
//! budget is exceeded by one attempt more for each bridge.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::Nanos;

/// Bounds on the cost in US dollars. `None` means no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostLimits {
    /// Bound for any 60 minutes.
    pub per_hour: Option<f64>,
    /// Bound in total.
    pub total: Option<f64>,
}

impl CostLimits {
    /// Returns whether all bounds are numbers above zero.
    pub fn is_valid(&self) -> bool {
        [self.per_hour, self.total].iter().flatten().all(|usd| usd.is_finite() && *usd > 0.0)
    }

    /// Returns the limits that remain after `spent` dollars. A total that is spent becomes the smallest
    /// number above zero.
    pub fn after(&self, spent: f64) -> CostLimits {
        let total = self.total.map(|total| (total - spent).max(f64::MIN_POSITIVE));
        CostLimits { total, ..*self }
    }

    /// Returns one of `shares` equal shares.
    pub fn share(&self, shares: usize) -> CostLimits {
        let share = |usd: Option<f64>| usd.map(|usd| usd / shares.max(1) as f64);
        CostLimits { per_hour: share(self.per_hour), total: share(self.total) }
    }
}

const MINUTE: Nanos = 60_000_000_000;
const MINUTES_PER_HOUR: u64 = 60;

/// Factor by which the price falls with each attempt that costs less.
const PRICE_DECAY: f64 = 0.9;

/// A budget, and what is spent of it. A clone is cheap and is the same budget.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    cost_limits: CostLimits,
    total: f64,
    /// Minutes of the last hour with the cost of each, the oldest first.
    minutes: VecDeque<(u64, f64)>,
    /// What the attempts in flight of each bridge may cost.
    in_flight: Vec<f64>,
}

impl Budget {
    pub(crate) fn new(cost_limits: CostLimits) -> Self {
        let (minutes, in_flight) = (VecDeque::new(), Vec::new());
        Budget(Arc::new(Mutex::new(Ledger { cost_limits, total: 0.0, minutes, in_flight })))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Ledger) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger {
    fn charge(&mut self, now: Nanos, usd: f64) {
        self.total += usd;
        // The clock of another bridge may be a little ahead.
        let last = self.minutes.back().map_or(0, |(last, _)| *last);
        let minute = (now / MINUTE).max(last);
        self.forget(minute);
        match self.minutes.back_mut() {
            Some((last, sum)) if *last == minute => *sum += usd,
            _ => self.minutes.push_back((minute, usd)),
        }
    }

    /// Returns what is not spent.
    fn left(&self) -> f64 {
        let hour: f64 = self.minutes.iter().map(|(_, usd)| usd).sum();
        let left = |most: Option<f64>, spent: f64| most.map_or(f64::INFINITY, |most| most - spent);
        left(self.cost_limits.per_hour, hour).min(left(self.cost_limits.total, self.total))
    }

    fn forget(&mut self, minute: u64) {
        while self.minutes.front().is_some_and(|(old, _)| old + MINUTES_PER_HOUR < minute) {
            self.minutes.pop_front();
        }
    }
}

/// What a bridge may spend of a budget.
#[derive(Debug)]
pub(super) struct CostBudget {
    budget: Budget,
    /// The number of the bridge among those that share the budget.
    bridge: usize,
    /// Whether the budget has a bound. Without one, nothing is counted.
    is_bounded: bool,
    /// Estimated price of an attempt.
    price: f64,
    /// Since when the budget is spent, and for how long it was spent before.
    spent_since: Option<Nanos>,
    spent_for: Nanos,
}

impl CostBudget {
    /// Creates the part of a bridge in `budget`. `price` is the estimated cost of the first attempt.
    pub(super) fn new(budget: Budget, price: f64) -> Self {
        let (bridge, is_bounded) = budget.with(|ledger| {
            ledger.in_flight.push(0.0);
            (ledger.in_flight.len() - 1, ledger.cost_limits != CostLimits::default())
        });
        CostBudget { budget, bridge, is_bounded, price, spent_since: None, spent_for: 0 }
    }

    /// Records the cost of an attempt.
    pub(super) fn charge(&mut self, now: Nanos, usd: f64) {
        self.price = usd.max(self.price * PRICE_DECAY);
        if self.is_bounded {
            self.budget.with(|ledger| ledger.charge(now, usd));
        }
    }

    /// Tells the other bridges how many attempts of this one are in flight.
    pub(super) fn reserve(&self, in_flight: usize) {
        if self.is_bounded {
            let usd = in_flight as f64 * self.price;
            self.budget.with(|ledger| ledger.in_flight[self.bridge] = usd);
        }
    }

    /// Returns whether the budget covers one more attempt while `in_flight` of this bridge are in flight.
    pub(super) fn can_afford(&self, in_flight: usize) -> bool {
        self.affordable(in_flight) > 0
    }

    /// Returns how many more attempts the budget covers while `in_flight` of this bridge are in flight.
    pub(super) fn affordable(&self, in_flight: usize) -> usize {
        let of_others = |ledger: &Ledger| -> f64 {
            let bridges = ledger.in_flight.iter().enumerate();
            bridges.filter(|(bridge, _)| *bridge != self.bridge).map(|(_, usd)| usd).sum()
        };
        self.covered(|ledger| ledger.left() - of_others(ledger)).saturating_sub(in_flight)
    }

    /// Returns whether the budget would not cover an attempt even if nothing were in flight.
    pub(super) fn is_spent(&self) -> bool {
        self.covered(|ledger| ledger.left()) == 0
    }

    /// Returns how many attempts are covered by what is left.
    fn covered(&self, left: impl FnOnce(&Ledger) -> f64) -> usize {
        if !self.is_bounded {
            return usize::MAX;
        }
        let left = self.budget.with(|ledger| left(ledger));
        // Without a price the quotient is infinite, which becomes the largest number. The factor allows for rounding
        // of a whole number of attempts.
        (left / self.price * (1.0 + 1e-9)) as usize
    }

    /// Updates the budget: forgets costs older than an hour, and records for how long the budget was spent.
    pub(super) fn refresh(&mut self, now: Nanos, in_flight: usize) {
        if !self.is_bounded {
            return;
        }
        self.budget.with(|ledger| ledger.forget(now / MINUTE));
        self.reserve(in_flight);
        if self.can_afford(in_flight) {
            self.spent_for = self.spent_for(now);
            self.spent_since = None;
        } else {
            self.spent_since.get_or_insert(now);
        }
    }

    /// Returns for how long the budget was spent.
    pub(super) fn spent_for(&self, now: Nanos) -> Nanos {
        self.spent_for + self.spent_since.map_or(0, |since| now.saturating_sub(since))
    }

    /// Returns when the oldest minute is forgotten, if there is an hourly bound and the budget covers no attempt while
    /// `in_flight` of this bridge are in flight.
    pub(super) fn refills_at(&self, in_flight: usize) -> Option<Nanos> {
        if self.can_afford(in_flight) {
            return None;
        }
        let oldest = self.budget.with(|ledger| {
            ledger.cost_limits.per_hour?;
            ledger.minutes.front().map(|(oldest, _)| *oldest)
        })?;
        Some((oldest + MINUTES_PER_HOUR + 1) * MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(cost_limits: CostLimits, price: f64) -> CostBudget {
        CostBudget::new(Budget::new(cost_limits), price)
    }

    #[test]
    fn bridges_share_what_is_left_and_each_reserves_what_its_attempts_may_cost() {
        let budget = Budget::new(CostLimits { per_hour: None, total: Some(1.0) });
        let mut cheap = CostBudget::new(budget.clone(), 0.1);
        let mut dear = CostBudget::new(budget, 0.5);
        assert_eq!((cheap.affordable(0), dear.affordable(0)), (10, 2));
        dear.reserve(1);
        assert_eq!((cheap.affordable(0), dear.affordable(1)), (5, 1));
        cheap.reserve(5);
        assert!(!cheap.can_afford(5) && !dear.can_afford(1));
        dear.refresh(0, 1);
        assert!(!dear.is_spent(), "nothing was paid yet");
        // What was paid is gone for both, and what is not in flight any more is free for both.
        dear.charge(0, 0.4);
        dear.refresh(MINUTE, 0);
        cheap.refresh(MINUTE, 0);
        assert_eq!((cheap.affordable(0), dear.affordable(0)), (6, 1));
        cheap.charge(2 * MINUTE, 0.6);
        assert!(cheap.is_spent() && dear.is_spent() && !dear.can_afford(0));
    }

    #[test]
    fn an_hourly_budget_refills_and_a_total_does_not() {
        let cost_limits = CostLimits { per_hour: Some(1.0), total: Some(1.5) };
        let mut cost_budget = of(cost_limits, 0.1);
        assert!(cost_budget.can_afford(9) && !cost_budget.can_afford(10));
        (0..10).for_each(|n| cost_budget.charge(n * MINUTE, 0.1));
        cost_budget.refresh(9 * MINUTE, 0);
        assert!(!cost_budget.can_afford(0));
        assert_eq!(cost_budget.refills_at(0), Some(61 * MINUTE));
        cost_budget.refresh(61 * MINUTE, 0);
        assert!(cost_budget.can_afford(0) && !cost_budget.can_afford(1));
        assert_eq!(
            (cost_budget.spent_for(70 * MINUTE), cost_budget.refills_at(0)),
            (52 * MINUTE, None)
        );
        (0..5).for_each(|n| cost_budget.charge((100 + n) * MINUTE, 0.1));
        cost_budget.refresh(1_000 * MINUTE, 0);
        assert!(!cost_budget.can_afford(0), "the total is spent");
        let mut free = of(CostLimits::default(), 1.0);
        free.charge(0, 1e9);
        free.refresh(0, 1);
        assert!(free.can_afford(1_000_000) && free.spent_for(MINUTE) == 0);
    }

    #[test]
    fn earlier_costs_are_subtracted_from_the_limits() {
        let cost_limits = CostLimits { per_hour: Some(1.0), total: Some(2.0) };
        let left = cost_limits.after(1.5).share(2);
        assert_eq!(left, CostLimits { per_hour: Some(0.5), total: Some(0.25) });
        assert!(of(left, 0.25).can_afford(0));
        assert!(!of(left, 0.3).can_afford(0));
        for spent in [2.0, 1e9] {
            let none = cost_limits.after(spent).share(64);
            assert!(none.is_valid());
            assert!(!of(none, 1e-9).can_afford(0));
        }
        assert_eq!(CostLimits::default().after(1.0), CostLimits::default());
    }

    proptest! {
        /// The cost of any hour exceeds the budget at most by the difference between the attempts in flight
        /// and the highest price before.
        #[test]
        fn no_hour_costs_more_than_the_budget_and_the_attempts_in_flight(
            prices in prop::collection::vec((0.5..1.0_f64, 0..20_u64), 1..300),
            budget in 2.0..30.0_f64,
        ) {
            let cost_limits = CostLimits { per_hour: Some(budget), total: None };
            let mut cost_budget = of(cost_limits, 1.0);
            let mut paid: Vec<(Nanos, f64)> = Vec::new();
            let mut now = 0;
            for (price, minutes) in prices {
                now += minutes * MINUTE;
                cost_budget.refresh(now, 0);
                if cost_budget.can_afford(0) {
                    cost_budget.charge(now, price);
                    paid.push((now, price));
                }
                let hour = paid.iter().filter(|(at, _)| at + 60 * MINUTE >= now);
                let spent: f64 = hour.map(|(_, usd)| usd).sum();
                prop_assert!(spent <= budget + 1.0, "{spent}");
            }
        }
    }
}
