//! Random numbers that depend on the seed and the event's id alone.

/// SplitMix64, a counter whose values are mixed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014, with Stafford's thirteenth variant of the mixing function). Java's `SplittableRandom`, which the reference
/// uses, is the same generator.
///
/// A counter suits events that are made in any order: seeding costs one mixing, so each event has its own sequence.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

/// The increment of the counter: 2⁶⁴/φ with the golden ratio φ, made odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// Returns the sequence of the event with this id. [`Random::key`] makes the key of a seed.
    #[inline]
    pub(super) fn of_event(key: u64, id: u64) -> Random {
        Random(mix(key.wrapping_add(id.wrapping_mul(GOLDEN))))
    }

    /// Returns the key of a seed. A different `purpose` gives different sequences.
    pub(super) fn key(seed: u64, purpose: u64) -> u64 {
        mix(mix(seed.wrapping_add(GOLDEN)) ^ purpose.wrapping_mul(GOLDEN))
    }

    /// Returns the next 64 bits.
    #[inline]
    pub(super) fn bits(&mut self) -> Bits {
        self.0 = self.0.wrapping_add(GOLDEN);
        Bits(mix(self.0))
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 64 random bits, from which several small numbers are drawn. A number below n takes log₂ n bits, and its distribution
/// differs from the uniform one by less than n/2^(the remaining bits). So at least twenty bits should remain after each
/// number, except for the last one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits(u64);

impl Bits {
    /// Returns a number in 0..n, which is the upper half of a product. The lower half is kept for the next numbers (Lemire,
    /// "Fast random integer generation in an interval", 2019).
    #[inline]
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.0) * u128::from(n);
        self.0 = product as u64;
        (product >> 64) as u64
    }

    /// Returns true with a probability of `threshold` / 2⁶⁴. This takes all bits.
    #[inline]
    pub(super) fn is_below(self, threshold: u64) -> bool {
        self.0 < threshold
    }

    /// Returns the upper 32 bits.
    #[inline]
    pub(super) fn word(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The first values from state 1234567, as published with the algorithm's C source.
        let mut random = Random(1_234_567);
        let values = [random.bits().0, random.bits().0, random.bits().0];
        let known =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(values, known);
    }

    #[test]
    fn draws_of_one_word_are_even_and_independent() {
        let mut table = [[0u32; 10]; 4];
        for id in 0..400_000 {
            let mut bits = Random::of_event(Random::key(1, 0), id).bits();
            let first = bits.below(4) as usize;
            table[first][bits.below(10) as usize] += 1;
        }
        for count in table.as_flattened() {
            assert!(count.abs_diff(10_000) < 500, "{table:?}");
        }
    }
}
