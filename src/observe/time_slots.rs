//! A run divided into a bounded number of time slots, so that memory stays bounded however long the run
//! lasts.

use serde::{Deserialize, Serialize};

use crate::batch::Nanos;

/// What happened in one slot.
pub trait Slot: Clone + Default {
    /// Joins this slot with `later`, the next one.
    fn join(&mut self, later: &Self);

    /// Adds what happened in the same slot elsewhere.
    fn add(&mut self, other: &Self);
}

/// Slots of equal length from the run's start on. When there would be more than `MOST` of them, each two are
/// joined into one of twice the length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeSlots<S, const MOST: usize = DEFAULT_MOST> {
    length: Nanos,
    slots: Vec<S>,
}

/// The initial length of a slot.
pub const SLOT: Nanos = 100_000_000;

/// Four minutes in slots of a tenth of a second: more points than a plot shows, and 24 MB with a coarse
/// histogram in each.
const DEFAULT_MOST: usize = 2_400;

impl<S, const MOST: usize> Default for TimeSlots<S, MOST> {
    fn default() -> Self {
        TimeSlots { length: SLOT, slots: Vec::new() }
    }
}

impl<S: Slot, const MOST: usize> TimeSlots<S, MOST> {
    /// Returns the length of a slot.
    pub fn length(&self) -> Nanos {
        self.length
    }

    /// Returns all slots in order.
    pub fn all(&self) -> &[S] {
        &self.slots
    }

    /// Returns the slot that contains `time`.
    pub fn at(&mut self, time: Nanos) -> &mut S {
        while time / self.length >= MOST as u64 {
            self.halve();
        }
        self.number((time / self.length) as usize)
    }

    /// Returns the slot that ends at about `time`.
    pub fn ending_at(&mut self, time: Nanos) -> &mut S {
        self.at(time.saturating_sub(self.length / 2))
    }

    /// Returns the end of the slot that contains `time`.
    pub fn end_of(&self, time: Nanos) -> Nanos {
        (time / self.length + 1).saturating_mul(self.length)
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.length < other.length {
            self.halve();
        }
        while other.length < self.length {
            other.halve();
        }
        for (index, slot) in other.slots.iter().enumerate() {
            self.number(index).add(slot);
        }
    }

    /// Joins slots until they have at least this `length`.
    pub fn widen(&mut self, length: Nanos) {
        while self.length < length {
            self.halve();
        }
    }

    fn number(&mut self, index: usize) -> &mut S {
        if self.slots.len() <= index {
            self.slots.resize(index + 1, S::default());
        }
        &mut self.slots[index]
    }

    fn halve(&mut self) {
        self.length = self.length.saturating_mul(2);
        self.slots = self
            .slots
            .chunks(2)
            .map(|pair| {
                let mut joined = pair[0].clone();
                pair[1..].iter().for_each(|later| joined.join(later));
                joined
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Slot for u64 {
        fn join(&mut self, later: &Self) {
            *self += later;
        }

        fn add(&mut self, other: &Self) {
            *self += other;
        }
    }

    #[test]
    fn a_long_run_has_longer_slots_and_the_same_sums() {
        let (mut long, mut short) = (TimeSlots::<u64>::default(), TimeSlots::<u64>::default());
        for hundredths in 0..100_000 {
            *long.at(hundredths * SLOT / 10) += 1;
            *short.at(hundredths % 100 * SLOT / 10) += 1;
        }
        assert_eq!((long.length(), long.all().len()), (8 * SLOT, 1_250));
        assert!(long.all().iter().all(|events| *events == 80));
        assert_eq!((short.length(), short.all()[0]), (SLOT, 10_000));
        short.add(&long);
        assert_eq!((short.length(), short.all()[0], short.all()[1]), (8 * SLOT, 80_080, 20_080));
        assert_eq!(short.all().iter().sum::<u64>(), 200_000);
        *long.at(u64::MAX) += 1;
        assert_eq!(long.all().iter().sum::<u64>(), 100_001);
    }

    #[test]
    fn a_sample_belongs_to_the_slot_that_has_just_ended() {
        let mut slots = TimeSlots::<u64>::default();
        for (time, value) in [(0, 1), (SLOT + 3, 2), (2 * SLOT - 3, 3), (3 * SLOT + 9, 4)] {
            *slots.ending_at(time) = value;
        }
        assert_eq!(slots.all(), [2, 3, 4]);
        assert_eq!((slots.end_of(0), slots.end_of(SLOT)), (SLOT, 2 * SLOT));
    }
}
