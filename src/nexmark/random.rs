//! Random numbers that depend on the seed and the event's id alone.

/// SplitMix64: a counter whose values are mixed (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014, with Stafford's thirteenth variant of the mixing
/// function; the generator behind Java's `SplittableRandom`, which the reference uses).
///
/// A counter suits events that are made in any order: seeding it is one mixing, so each event has
/// a sequence of its own.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

/// The golden ratio's fraction, 2⁶⁴/φ, made odd: what the counter grows by.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The sequence of the event with this id, for the key that [`Random::key`] makes of a seed.
    #[inline]
    pub(super) fn of_event(key: u64, id: u64) -> Random {
        Random(mix(key.wrapping_add(id.wrapping_mul(GOLDEN))))
    }

    /// A seed's key. `purpose` keeps the sequences for different things apart.
    pub(super) fn key(seed: u64, purpose: u64) -> u64 {
        mix(mix(seed.wrapping_add(GOLDEN)) ^ purpose.wrapping_mul(GOLDEN))
    }

    /// The next 64 bits.
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

/// 64 random bits, from which several small numbers are drawn: a number below n takes log₂ n of
/// them, and is uneven by less than n/2^(the bits left). So a draw of k numbers leaves at least
/// twenty bits, unless it is the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits(u64);

impl Bits {
    /// A number in 0..n, by the upper half of a product; the lower half is what is left to draw
    /// from (Lemire, "Fast random integer generation in an interval", 2019).
    #[inline]
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.0) * u128::from(n);
        self.0 = product as u64;
        (product >> 64) as u64
    }

    /// True with a probability of `threshold` / 2⁶⁴. It takes all bits.
    #[inline]
    pub(super) fn is_below(self, threshold: u64) -> bool {
        self.0 < threshold
    }

    /// The upper 32 bits.
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
