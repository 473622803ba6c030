//! A sine, approximated by segments of constant rate.

use std::f64::consts::{PI, TAU};

use super::segments::{Integral, MicroRate, Segment};
use crate::batch::Nanos;

/// The number of steps in a period of one second. A period that is n² times as long has n times as many steps.
///
/// In a step of length h, the integral differs from that of the curve by at most |r′|h²/8, where |r′| ≤ π|P − R|/T. With
/// h = √T ms that is 0.39 µs times |P − R|, whatever the period is. Finer steps would be more exact than the timers of
/// the system, and would make batches shorter.
const STEPS: f64 = 1_000.0;

/// Returns one period of R + (P − R)(1 − cos 2πt/T)/2 as segments of constant rate. At the start of each segment, the
/// integral is that of the curve. It is rounded down by less than a millionth of an event per second times the length of
/// the segment before.
pub(super) fn staircase(base: MicroRate, peak: MicroRate, period: Nanos) -> Vec<Segment> {
    let steps = (STEPS * (period as f64 / 1e9).sqrt()).clamp(64.0, 1_000_000.0) as u64;
    let curve = |time: Nanos| curve_integral(base, peak, period, time);
    let start = |step: u64| (u128::from(period) * u128::from(step) / u128::from(steps)) as Nanos;

    let mut segments = Vec::with_capacity(steps as usize);
    let mut before: Integral = 0;
    for step in 0..steps {
        let (from, to) = (start(step), start(step + 1));
        let length = u128::from(to - from);
        // The next step makes up for the rounding of this one.
        let rate = curve(to).saturating_sub(before) / length;
        segments.push(Segment { start: from, rate: rate as MicroRate, before });
        before += rate * length;
    }
    segments
}

/// Returns the integral of the curve, which is (R + P)t/2 − (P − R)T/(4π) sin 2πt/T. The linear part, which grows large,
/// is exact.
fn curve_integral(base: MicroRate, peak: MicroRate, period: Nanos, time: Nanos) -> Integral {
    let line = (u128::from(base) + u128::from(peak)) * u128::from(time) / 2;
    let swing = (peak as f64 - base as f64) * period as f64 / (2.0 * TAU);
    let wave = (swing * sine(time as f64 / period as f64)) as i128;
    line.saturating_add_signed(-wave)
}

/// Returns sin 2πx for x in 0..=1, to about 10⁻¹⁶, by Taylor's series on a quarter turn. The function of the standard
/// library calls the one of the system, and its last bits differ between systems.
fn sine(turns: f64) -> f64 {
    let (sign, turns) = if turns >= 0.5 { (-1.0, turns - 0.5) } else { (1.0, turns) };
    let angle = 2.0 * PI * turns.min(0.5 - turns);
    let square = angle * angle;
    // 1 − x²/(2·3) (1 − x²/(4·5) (1 − …)), up to x²³/23!, which is below 10⁻¹⁷.
    let series = (1..=11).rev().fold(1.0, |inner, term| {
        let n = f64::from(2 * term);
        1.0 - square / (n * (n + 1.0)) * inner
    });
    sign * angle * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        for step in 0..=10_000 {
            let turns = f64::from(step) / 10_000.0;
            let error = sine(turns) - (TAU * turns).sin();
            assert!(error.abs() < 1e-15, "sine({turns}) is off by {error}");
        }
    }

    #[test]
    fn the_staircase_stays_by_the_curve() {
        for (base, peak) in [(1_000, 10_000), (10_000, 1_000), (0, 1_000_000), (5, 5)] {
            for period in [1_000_000_000, 10_000_000_000, 600_000_000_000] {
                let (base, peak) = (base * 1_000_000, peak * 1_000_000);
                let segments = staircase(base, peak, period);
                let allowed = 400.0 * base.abs_diff(peak) as f64 + 1e9;
                for pair in segments.windows(2) {
                    let middle = pair[0].start.midpoint(pair[1].start);
                    let exact = curve_integral(base, peak, period, middle);
                    let error = pair[0].until(middle).abs_diff(exact);
                    assert!(error as f64 <= allowed, "off by {error} of {allowed}");
                }
            }
        }
    }
}
