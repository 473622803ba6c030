//! Random variation of times.

use std::str::FromStr;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Distribution of a time around its mean. All factors that are drawn have the mean 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Spread {
    /// No variation.
    #[default]
    Constant,
    /// Exponential: the standard deviation is the mean.
    Exponential,
    /// Lognormal. The number is the standard deviation of the logarithm.
    Lognormal(f64),
}

impl Spread {
    /// Draws a factor.
    pub(super) fn draw(&self, random: &mut StdRng) -> f64 {
        match *self {
            Spread::Constant => 1.0,
            Spread::Exponential => -(1.0 - random.random::<f64>()).ln(),
            Spread::Lognormal(sigma) => (sigma * normal(random) - sigma * sigma / 2.0).exp(),
        }
    }

    /// Draws the sum of `n` independent factors. A few are drawn one by one; more are drawn together by the
    /// central limit theorem, so that a slice of a thousand records costs one draw.
    pub(super) fn sum(&self, n: usize, random: &mut StdRng) -> f64 {
        const FEW: usize = 16;
        match self {
            Spread::Constant => n as f64,
            _ if n <= FEW => (0..n).map(|_| self.draw(random)).sum(),
            _ => {
                let mean = n as f64;
                (mean + (mean * self.variance()).sqrt() * normal(random)).max(mean / 10.0)
            }
        }
    }

    fn variance(&self) -> f64 {
        match *self {
            Spread::Constant => 0.0,
            Spread::Exponential => 1.0,
            Spread::Lognormal(sigma) => (sigma * sigma).exp_m1(),
        }
    }
}

/// Draws a standard normal number by the method of Box and Muller.
fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

/// A text that is not a [`Spread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected constant, exponential, or lognormal=SIGMA with SIGMA from 0 to 3")]
pub struct SpreadError;

impl FromStr for Spread {
    type Err = SpreadError;

    fn from_str(text: &str) -> Result<Self, SpreadError> {
        match text.split_once('=') {
            None if text == "constant" => Ok(Spread::Constant),
            None if text == "exponential" => Ok(Spread::Exponential),
            Some(("lognormal", sigma)) => {
                let sigma = sigma.parse().ok().filter(|sigma| (0.0..=3.0).contains(sigma));
                sigma.map(Spread::Lognormal).ok_or(SpreadError)
            }
            _ => Err(SpreadError),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn factors_have_mean_one_and_sums_have_their_spread() {
        let mut random = StdRng::seed_from_u64(1);
        for spread in [Spread::Constant, Spread::Exponential, Spread::Lognormal(0.8)] {
            for n in [1, 10, 1_000] {
                let sums: Vec<f64> = (0..20_000).map(|_| spread.sum(n, &mut random)).collect();
                let mean = sums.iter().sum::<f64>() / 20_000.0 / n as f64;
                assert!((mean - 1.0).abs() < 0.05, "{spread:?} {n}: {mean}");
                let squares = sums.iter().map(|sum| (sum - n as f64).powi(2)).sum::<f64>();
                let expected = spread.variance() * n as f64;
                let variance = squares / 20_000.0;
                assert!(
                    (variance - expected).abs() <= 0.2 * expected,
                    "{spread:?} {n}: {variance}"
                );
            }
        }
    }

    #[test]
    fn a_spread_is_parsed_or_refused() {
        assert_eq!("lognormal=0.5".parse(), Ok(Spread::Lognormal(0.5)));
        assert_eq!("exponential".parse(), Ok(Spread::Exponential));
        for text in ["", "normal", "lognormal", "lognormal=-1", "lognormal=nan", "exponential=1"] {
            assert_eq!(text.parse::<Spread>(), Err(SpreadError), "{text}");
        }
    }
}
