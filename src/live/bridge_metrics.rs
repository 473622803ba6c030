//! The metrics of the bridges to functions and to the services that are called.

use std::fmt::Error;

use prometheus_client::registry::Unit;

use super::metrics::{COUNTER, GAUGE, NO_EXEMPLAR, Page, seconds};
use super::sample::{About, Breaker, Remote};
use crate::counters::{self, Counter, Counters};

impl Page<'_> {
    /// The counters of bridges, as they are declared: the sums, or those of each with a label.
    fn of_bridges(
        &mut self,
        prefix: &str,
        bridges: &[(Option<(&str, &str)>, &Counters)],
    ) -> Result<(), Error> {
        for Counter { metric, unit, help, of, .. } in Counters::declared() {
            let Some(name) = metric else { continue };
            let (unit, parts) = match unit {
                counters::Unit::Count => (None, 1.0),
                counters::Unit::Bytes => (Some(Unit::Bytes), 1.0),
                counters::Unit::Micros => (seconds(), 1e6),
                counters::Unit::Nanos => (seconds(), 1e9),
            };
            let value = |counters: &Counters| of(counters) as f64 / parts;
            self.of_bridge(&format!("{prefix}_{name}"), unit, help, bridges, value)?;
        }
        let help = "Attempts that are neither the first of a request nor a hedge.";
        let retries = |counters: &Counters| counters.retries() as f64;
        self.of_bridge(&format!("{prefix}_attempts_retried"), None, help, bridges, retries)
    }

    fn of_bridge(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        bridges: &[(Option<(&str, &str)>, &Counters)],
        value: impl Fn(&Counters) -> f64,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), COUNTER)?;
        bridges.iter().try_for_each(|(label, counters)| {
            let value = value(counters);
            match label {
                None => metric.encode_counter(&value, NO_EXEMPLAR),
                Some(label) => metric.encode_family(&[*label])?.encode_counter(&value, NO_EXEMPLAR),
            }
        })
    }

    /// What was asked of each of several services or functions. `kind` is in the names of the metrics, and `label` is the
    /// one that names an endpoint.
    pub(super) fn endpoints(
        &mut self,
        kind: &str,
        label: &str,
        endpoints: &[(String, &Remote)],
    ) -> Result<(), Error> {
        let bridges: Vec<_> = endpoints
            .iter()
            .map(|(of, remote)| (Some((label, of.as_str())), &remote.counters))
            .collect();
        self.of_bridges(&format!("floodway_{kind}"), &bridges)?;
        let gauges: [(&str, &str, fn(&Remote) -> f64); 2] = [
            ("in_flight", "Requests in flight.", |it| it.counters.in_flight as f64),
            (
                "is_available",
                "Whether it answers: 0 while nothing is sent because it does not.",
                |it| f64::from(u8::from(it.breaker == Breaker::Closed)),
            ),
        ];
        for (name, help, value) in gauges {
            let name = format!("floodway_{kind}_{name}");
            let mut metric = self.0.encode_descriptor(&name, help, None, GAUGE)?;
            for (of, remote) in endpoints {
                metric.encode_family(&[(label, of.as_str())])?.encode_gauge(&value(remote))?;
            }
        }
        Ok(())
    }

    pub(super) fn remote(&mut self, about: &About, remote: &Remote) -> Result<(), Error> {
        let counters = &remote.counters;
        self.of_bridges("floodway", &[(None, counters)])?;
        let help = "What was spent, in US dollars, at the prices that are set.";
        self.count("floodway_cost_usd", None, help, remote.cost_usd)?;
        if let Some(budget) = about.budget {
            let all = [("hour", budget.per_hour_usd), ("total", budget.total_usd)];
            let help = "What this process may spend, in US dollars.";
            let mut metric = self.0.encode_descriptor("floodway_budget_usd", help, None, GAUGE)?;
            for (of, usd) in all {
                if let Some(usd) = usd {
                    metric.encode_family(&[("in", of)])?.encode_gauge(&usd)?;
                }
            }
            let help = "For how long the budget was spent.";
            let spent = counters.over_budget_us as f64 / 1e6;
            self.count("floodway_over_budget", seconds(), help, spent)?;
        }
        self.counts(
            ("floodway_bridge", "direction"),
            Some(Unit::Bytes),
            "Bytes of requests (out) and of answers (in).",
            [("out", counters.bytes_out), ("in", counters.bytes_in)],
        )?;
        let gauges: [(&str, &str, u64); 3] = [
            ("floodway_requests_in_flight", "Requests in flight.", counters.in_flight),
            ("floodway_requests_limit", "Requests that may be in flight now.", remote.limit),
            ("floodway_bridge_waiting_records", "Records that wait to be sent.", remote.waiting),
        ];
        for (name, help, value) in gauges {
            self.gauge(name, None, help, value as f64)?;
        }
        self.one_of(
            ("floodway_breaker_state", "state"),
            "What the breaker lets through: everything, one request at a time, nothing: 1 for what it is.",
            Breaker::ALL.map(|one| (one.name(), one == remote.breaker)),
        )
    }
}
