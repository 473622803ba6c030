//! Prices.

use super::random::Bits;

/// 10^(6/2¹⁰), the ratio of the coarse table.
const COARSE: f64 = 1.013_583_133_334_065_8;
/// 10^(6/2²⁰), the ratio of the fine table.
const FINE: f64 = 1.000_013_175_584_384_4;
/// ln 10^(6/2³²), the slope for the last bits.
const REST: f64 = 3.216_674_215_617_653_5e-9;

/// The prices of the reference: round(10^(6u) · 100), where u is uniform in [0, 1).
///
/// 10^(6u) is the product of three powers, for the upper ten, the next ten and the last twelve bits of u. The first two are
/// in tables, and the last one is 1 + x to within 10⁻¹⁰. Multiplication gives the same bits on every system. The `pow` of
/// the system does not.
#[derive(Debug)]
pub(super) struct Prices {
    coarse: [f64; 1 << 10],
    fine: [f64; 1 << 10],
}

impl Prices {
    pub(super) fn new() -> Prices {
        Prices { coarse: powers(100.0, COARSE), fine: powers(1.0, FINE) }
    }

    /// Picks a price in cents, from 100 to 100,000,000. This takes 32 random bits.
    #[inline]
    pub(super) fn pick(&self, bits: Bits) -> u64 {
        self.price(bits.word())
    }

    #[inline]
    fn price(&self, u: u32) -> u64 {
        let coarse = self.coarse[(u >> 22) as usize];
        let fine = self.fine[(u >> 12) as usize & 1_023];
        let rest = 1.0 + f64::from(u & 4_095) * REST;
        // The price is below 2³², and a signed conversion of 32 bits is one instruction everywhere.
        u64::from((coarse * fine * rest + 0.5) as i32 as u32)
    }
}

fn powers<const N: usize>(first: f64, ratio: f64) -> [f64; N] {
    let mut power = first;
    std::array::from_fn(|_| {
        let next = power * ratio;
        std::mem::replace(&mut power, next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_powers_of_ten() {
        let prices = Prices::new();
        for step in 0..100_000u32 {
            let u = step * 42_949;
            let exact = 10f64.powf(6.0 * f64::from(u) / 2f64.powi(32)) * 100.0;
            let price = prices.price(u) as f64;
            assert!((price - exact).abs() <= 0.5 + exact * 1e-9, "{price} for {exact}");
        }
        assert_eq!((prices.price(0), prices.price(u32::MAX)), (100, 100_000_000));
    }
}
