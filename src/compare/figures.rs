//! The figures of a run by which policies are compared.

use serde::Serialize;
use serde_json::Value;

/// The figures of a run, or the medians over several runs. Latencies are those of the burst, or of the whole run if its
/// rate is constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Events per second.
    pub events_eps: f64,
    /// Results per second. Of a dataflow of several stages, an event may have any number of results.
    pub throughput_eps: f64,
    /// The median of the latency, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the latency, in milliseconds.
    pub p99_ms: f64,
    /// The 99.9th percentile of the latency, in milliseconds.
    pub p999_ms: f64,
    /// The highest latency, in milliseconds.
    pub max_ms: f64,
    /// The share of the events that were done remotely.
    pub offloaded_fraction: f64,
    /// The workers' records as a share of those that they do in the optimum, with the whole input known beforehand.
    pub home_share_of_optimum: Option<f64>,
    /// The cost in US dollars.
    pub cost_usd: f64,
    /// The highest number of records that were held.
    pub peak_backlog: f64,
    /// The time that sources waited, in milliseconds, summed over workers.
    pub backpressured_ms: f64,
    /// Records per second of useful time, summed over workers. None for a dataflow of several stages, whose records cost
    /// a worker different times.
    pub true_rate_eps: Option<f64>,
}

impl Figures {
    /// Returns the figures of a summary. None if it lacks one.
    pub fn of(summary: &Value) -> Option<Figures> {
        let number = |name: &str| summary.get(name)?.as_f64();
        let latency = summary.get("latency_burst_ms").or(summary.get("latency_ms"))?;
        let quantile = |name: &str| latency.get(name)?.as_f64();
        let events = number("events_in")?;
        Some(Figures {
            events_eps: events / (number("wall_ms")? / 1e3).max(f64::MIN_POSITIVE),
            throughput_eps: number("throughput_eps")?,
            p50_ms: quantile("p50")?,
            p99_ms: quantile("p99")?,
            p999_ms: quantile("p999")?,
            max_ms: quantile("max")?,
            offloaded_fraction: number("offloaded_fraction")?,
            home_share_of_optimum: None,
            cost_usd: number("cost_usd")?,
            peak_backlog: number("peak_backlog")?,
            backpressured_ms: number("backpressured_ms")?,
            true_rate_eps: number("true_rate_eps").filter(|_| !has_stages(summary)),
        })
    }

    /// Returns the median of each figure.
    pub fn median(rounds: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure)).unwrap_or(0.0);
        let known = |figure: fn(&Figures) -> Option<f64>| median(rounds.iter().filter_map(figure));
        Figures {
            events_eps: of(|run| run.events_eps),
            throughput_eps: of(|run| run.throughput_eps),
            p50_ms: of(|run| run.p50_ms),
            p99_ms: of(|run| run.p99_ms),
            p999_ms: of(|run| run.p999_ms),
            max_ms: of(|run| run.max_ms),
            offloaded_fraction: of(|run| run.offloaded_fraction),
            home_share_of_optimum: known(|run| run.home_share_of_optimum),
            cost_usd: of(|run| run.cost_usd),
            peak_backlog: of(|run| run.peak_backlog),
            backpressured_ms: of(|run| run.backpressured_ms),
            true_rate_eps: known(|run| run.true_rate_eps),
        }
    }
}

/// Whether a summary is that of a dataflow of several stages, or with operators behind its stage: then an event is not one
/// record of one stage.
pub(super) fn has_stages(summary: &Value) -> bool {
    summary.get("stages").is_some_and(|stages| !stages.is_null())
}

/// Returns the median. None without values.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_stages_events_are_counted_and_the_rate_of_the_workers_is_not_known() {
        let mut summary = serde_json::json!({
            "throughput_eps": 300.0, "events_in": 200, "wall_ms": 2_000.0, "offloaded_fraction": 0.0, "cost_usd": 0.0,
            "peak_backlog": 0, "backpressured_ms": 0.0, "true_rate_eps": 1_000.0,
            "latency_ms": { "p50": 1.0, "p99": 1.0, "p999": 1.0, "max": 1.0 },
        });
        let figures = Figures::of(&summary).unwrap();
        assert_eq!((figures.events_eps, figures.true_rate_eps), (100.0, Some(1_000.0)));
        summary["stages"] = serde_json::json!([{ "name": "order" }, { "name": "item" }]);
        let figures = Figures::of(&summary).unwrap();
        assert_eq!((figures.events_eps, figures.true_rate_eps), (100.0, None));
    }

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        let run = |p99_ms, cost_usd| Figures { p99_ms, cost_usd, ..Figures::default() };
        let three = Figures::median(&[run(1.0, 9.0), run(5.0, 7.0), run(3.0, 8.0)]);
        assert_eq!((three.p99_ms, three.cost_usd, three.true_rate_eps), (3.0, 8.0, None));
        assert_eq!(Figures::median(&[run(1.0, 0.0), run(2.0, 0.0)]).p99_ms, 1.5);
    }
}
