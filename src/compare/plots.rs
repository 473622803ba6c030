//! The plots of a comparison.

use plotters::prelude::*;

use super::plot::{
    Axis, BLUE, Curve, DrawError, GREEN, INK, OFFERED, ORANGE, PINK, RED, decades, draw, rgb, ys,
};
use super::{Comparison, Round};
use crate::observe::SlotLine;
use crate::policy::{Route, Spec};

/// Plots with their title and legend.
pub(super) struct Figure {
    pub title: String,
    pub svgs: Vec<String>,
    /// The colours and their meanings.
    pub legend: Vec<(RGBColor, String)>,
}

/// Small plots that share a legend.
pub(super) struct Tails {
    pub legend: Vec<(RGBColor, String)>,
    pub figures: Vec<Figure>,
}

/// The width of all plots, and the heights of those in a stack.
pub(super) const WIDTH: u32 = 960;
const TALL: u32 = 300;
const FLAT: u32 = 170;

/// Returns the colour of a policy, which is the same in all plots.
fn color_of(policy: &str) -> RGBColor {
    Spec::named(policy).map_or(INK, |policy| rgb(policy.color))
}

/// Returns the colour of a route. `Local` and `Remote` have the colours of the policies with these names.
fn color_of_route(route: Route) -> RGBColor {
    match route {
        Route::Local => BLUE,
        Route::Peer => PINK,
        Route::Remote => RED,
        Route::Hedged => ORANGE,
        Route::Returned => GREEN,
    }
}

/// Returns what a legend says of a route.
fn route_in_words(route: Route) -> &'static str {
    match route {
        Route::Local => "by its worker",
        Route::Peer => "by a peer",
        Route::Remote => "remote",
        Route::Hedged => "remote, hedged",
        Route::Returned => "sent, returned, done by a worker",
    }
}

/// Returns the typical run of each policy.
fn typical(comparison: &Comparison) -> impl Iterator<Item = (&str, &Round)> {
    let policies = comparison.policies.iter();
    policies.filter_map(|compared| Some((compared.policy.as_str(), compared.typical()?)))
}

/// Returns the middle of a slot, in seconds.
fn middle(slot: &SlotLine) -> f64 {
    (slot.t_ms + slot.length_ms / 2.0) / 1e3
}

/// Returns the end of the longest run, in seconds.
fn end(comparison: &Comparison) -> f64 {
    let ends = typical(comparison).filter_map(|(_, round)| round.slots.last());
    ends.map(|slot| (slot.t_ms + slot.length_ms) / 1e3).fold(0.1, f64::max)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn time(until: f64) -> Axis<'static, std::ops::Range<f64>> {
    Axis { range: 0.0..until, says: "time (s)", show: &|seconds| plain(*seconds), labels: 12 }
}

/// Draws a plot over time whose y axis begins at 0.
fn over_time(
    height: u32,
    until: f64,
    top: f64,
    (says, show): (&str, &dyn Fn(&f64) -> String),
    bands: &[(f64, f64)],
    curves: &[Curve],
) -> Result<String, DrawError> {
    let labels = if height > 200 { 6 } else { 4 };
    let y = Axis { range: 0.0..top, says, show, labels };
    draw((WIDTH, height), time(until), y, bands, (0.0, top), curves)
}

/// Draws a figure for each policy, with the rate that was offered, the rates at which records were done in each place,
/// and the backlogs. All rates have the same scale. Each backlog has its own scale, because it may be a hundred times as
/// large under one policy as under another.
pub(super) fn flows(comparison: &Comparison) -> Result<Vec<Figure>, DrawError> {
    let until = end(comparison);
    let rates_and_backlogs: Vec<_> = typical(comparison)
        .map(|(policy, round)| {
            let rate = |color, records: fn(&SlotLine) -> u64| {
                let points = round.slots.iter().map(|slot| {
                    (middle(slot), Some(records(slot) as f64 * 1e3 / slot.length_ms.max(1.0)))
                });
                Curve::new(color, points)
            };
            let waiting = |color, records: fn(&SlotLine) -> u64| {
                let points = round.slots.iter();
                Curve::new(color, points.map(|slot| (middle(slot), Some(records(slot) as f64))))
            };
            let rates = vec![
                rate(OFFERED, |slot| slot.offered).filled(),
                rate(GREEN, |slot| slot.home),
                rate(RED, |slot| slot.remote + slot.hedged),
                rate(BLUE, |slot| slot.local + slot.peer),
            ];
            let backlogs =
                vec![waiting(RED, |slot| slot.in_flight), waiting(BLUE, |slot| slot.queued)];
            (policy.to_owned(), rates, backlogs)
        })
        .collect();
    fn top<'a>(curves: impl IntoIterator<Item = &'a Curve>) -> f64 {
        largest(&ys(curves)).max(1.0) * 1.05
    }
    let top_rate = top(rates_and_backlogs.iter().flat_map(|(_, rates, _)| rates));
    let figure = |(policy, rates, backlogs): &(String, Vec<Curve>, Vec<Curve>)| {
        let bands = &comparison.burst;
        let show: (&str, &dyn Fn(&f64) -> String) = ("events/s", &|rate| si(*rate));
        let rates = over_time(TALL - 60, until, top_rate, show, bands, rates)?;
        let show: (&str, &dyn Fn(&f64) -> String) = ("backlog (records)", &|records| si(*records));
        let backlogs = over_time(FLAT, until, top(backlogs), show, bands, backlogs)?;
        Ok(Figure {
            title: policy.clone(),
            svgs: vec![rates, backlogs],
            legend: vec![
                (OFFERED, "offered".to_owned()),
                (BLUE, "done by the workers; below: waiting there".to_owned()),
                (RED, "done remotely; below: in flight".to_owned()),
                (GREEN, "returned, and done by the workers".to_owned()),
            ],
        })
    };
    rates_and_backlogs.iter().map(figure).collect()
}

/// Draws the median and the 99th percentile of the latency over time, for all policies.
pub(super) fn latencies(comparison: &Comparison) -> Result<Figure, DrawError> {
    let until = end(comparison);
    let curves = |quantile: fn(&crate::observe::SlotLatency) -> f64| -> Vec<Curve> {
        typical(comparison)
            .map(|(policy, round)| {
                let points = round.slots.iter().map(|slot| {
                    // A logarithmic axis has no 0, so the least latency is a microsecond.
                    let value = slot.latency_ms.as_ref().map(quantile);
                    (middle(slot), value.map(|ms| ms.max(1e-3)))
                });
                Curve::new(color_of(policy), points)
            })
            .collect()
    };
    let (p99, p50) = (curves(|slot| slot.p99), curves(|slot| slot.p50));
    let values = ys(p99.iter().chain(&p50));
    let (low, high) = decades(values.iter().chain([&comparison.deadline_ms]), 1e-3);
    let plot = |says: &str, mut curves: Vec<Curve>| {
        curves.push(Curve::level(INK, until, comparison.deadline_ms));
        let range = (low..high).log_scale();
        let y = Axis { range, says, show: &|ms| plain(*ms), labels: 8 };
        draw((WIDTH, TALL), time(until), y, &comparison.burst, (low, high), &curves)
    };
    Ok(Figure {
        title: "p99 above, median below".to_owned(),
        svgs: vec![plot("p99 (ms)", p99)?, plot("p50 (ms)", p50)?],
        legend: policies(comparison, Some("the deadline (dashed)")),
    })
}

/// Draws the cost so far over time.
pub(super) fn costs(comparison: &Comparison) -> Result<Figure, DrawError> {
    let curves: Vec<Curve> = typical(comparison)
        .map(|(policy, round)| {
            let points = round.slots.iter();
            let points = points.map(|slot| (middle(slot), Some(slot.cost_usd * 1e3)));
            Curve::new(color_of(policy), points)
        })
        .collect();
    let top = largest(&ys(&curves)).max(1e-6) * 1.05;
    let show: (&str, &dyn Fn(&f64) -> String) = ("thousandths of a $", &|usd| plain(*usd));
    let svg = over_time(TALL - 60, end(comparison), top, show, &comparison.burst, &curves)?;
    Ok(Figure {
        title: "Cost so far, in thousandths of a dollar".to_owned(),
        svgs: vec![svg],
        legend: policies(comparison, None),
    })
}

/// Draws a figure for each policy, with the share of records that took longer than a latency, by route.
pub(super) fn tails(comparison: &Comparison) -> Result<Tails, DrawError> {
    let all: Vec<_> = typical(comparison)
        .map(|(policy, round)| {
            let curves: Vec<_> = round
                .routes
                .iter()
                .map(|(route, buckets)| (*route, tail(*route, buckets)))
                .collect();
            (policy, curves)
        })
        .collect();
    let points = || all.iter().flat_map(|(_, curves)| curves).flat_map(|(_, curve)| &curve.pieces);
    let latencies: Vec<f64> = points().flatten().map(|(ms, _)| *ms).collect();
    let (left, right) = decades(latencies.iter(), LEAST_MS);
    let shares: Vec<f64> = points().flatten().map(|(_, share)| *share).collect();
    let (bottom, _) = decades(shares.iter(), 1e-7);
    let figure = |(policy, curves): &(&str, Vec<(Route, Curve)>)| {
        let x = Axis {
            range: (left..right).log_scale(),
            says: "latency (ms)",
            show: &|ms| plain(*ms),
            labels: 10,
        };
        let y = Axis {
            range: (bottom..1.5).log_scale(),
            says: "share that took longer",
            show: &|share| plain(*share),
            labels: 8,
        };
        let lines: Vec<Curve> = curves.iter().map(|(_, curve)| curve.clone()).collect();
        Ok(Figure {
            title: (*policy).to_owned(),
            svgs: vec![draw((WIDTH / 2, TALL), x, y, &[], (bottom, 1.5), &lines)?],
            legend: Vec::new(),
        })
    };
    let mut legend: Vec<_> = all.iter().flat_map(|(_, curves)| curves).collect();
    legend.sort_by_key(|(route, _)| *route as u8);
    legend.dedup_by_key(|(route, _)| *route);
    Ok(Tails {
        legend: legend
            .iter()
            .map(|(route, curve)| (curve.color, route_in_words(*route).to_owned()))
            .collect(),
        figures: all.iter().map(figure).collect::<Result<_, DrawError>>()?,
    })
}

/// Lower latencies are drawn as this one.
const LEAST_MS: f64 = 0.1;

/// Returns the share of a route's records that were later than each latency. Neighbouring points are about 1 % of the
/// latency apart.
fn tail(route: Route, buckets: &[(f64, u64)]) -> Curve {
    let all: u64 = buckets.iter().map(|(_, records)| records).sum();
    let mut left = all;
    let (mut points, mut drawn, mut last) = (vec![(LEAST_MS, 1.0)], LEAST_MS, LEAST_MS);
    for (ms, records) in buckets {
        let before = left;
        left -= records;
        let ms = ms.max(LEAST_MS);
        if ms > drawn * 1.01 || left == 0 {
            // The share fell to this at the last bucket, which may not have been drawn.
            let share = before as f64 / all.max(1) as f64;
            points.extend([(last, share), (ms, share)]);
            if left > 0 {
                points.push((ms, left as f64 / all as f64));
            }
            drawn = ms;
        }
        last = ms;
    }
    Curve { color: color_of_route(route), pieces: vec![points], ..Curve::default() }
}

fn policies(comparison: &Comparison, also: Option<&str>) -> Vec<(RGBColor, String)> {
    let policies = typical(comparison).map(|(policy, _)| (color_of(policy), policy.to_owned()));
    policies.chain(also.map(|also| (INK, also.to_owned()))).collect()
}

/// Writes a number without trailing zeros.
fn plain(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a number with `k` for thousands and `M` for millions.
fn si(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}M", plain(value / 1e6)),
        v if v >= 1e3 => format!("{}k", plain(value / 1e3)),
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_falls_from_all_to_the_last_one() {
        let curve = tail(Route::Remote, &[(10.0, 90), (20.0, 9), (40.0, 1)]);
        let points = &curve.pieces[0];
        assert_eq!(points.first(), Some(&(LEAST_MS, 1.0)));
        assert_eq!(points.last(), Some(&(40.0, 0.01)));
        assert!(points.contains(&(20.0, 0.1)) && points.contains(&(20.0, 0.01)));
        assert!(points.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 >= two[1].1));
    }

    #[test]
    fn numbers_on_axes() {
        assert_eq!([0.0, 0.25, 100.0, 1e-5].map(plain), ["0", "0.25", "100", "1e-5"]);
        assert_eq!([500.0, 20_000.0, 1.5e6].map(si), ["500", "20k", "1.5M"]);
    }
}
