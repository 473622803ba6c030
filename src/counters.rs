//! What a bridge counts. A declaration says a counter's name, what it counts, its unit, how the counters of
//! several processes are added up, and whether the summary, the page's data and the metrics have it as it is.
//! All these are made from the declarations. Figures that are made of several
//! counters, are gauges or are shown only sometimes are in `live/metrics.rs` and `observe/summary.rs`.

use serde::{Deserialize, Serialize, Serializer};

/// The unit in which a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    Bytes,
    Micros,
    Nanos,
}

/// The declaration of a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// The name of the field, which is also the key in the summary.
    pub name: &'static str,
    /// What it counts: the documentation of the field.
    pub help: &'static str,
    pub unit: Unit,
    /// The name of the metric without its prefix and suffixes, if the counter is a counter metric as it is.
    pub metric: Option<&'static str>,
    /// Returns its value.
    pub of: fn(&Counters) -> u64,
    is_in_summary: bool,
    add: fn(u64, u64) -> u64,
}

impl Counter {
    /// A counter that is summed up over processes and is shown nowhere yet.
    const fn of(unit: Unit) -> Counter {
        let add = |a, b| a + b;
        let of = |_: &Counters| 0;
        Counter { name: "", help: "", unit, metric: None, of, is_in_summary: false, add }
    }

    /// Of several processes, the highest value counts.
    const fn max(self) -> Counter {
        let add = |a, b| if a > b { a } else { b };
        Counter { add, ..self }
    }

    /// The summary and the page's data have it, under its name.
    const fn in_summary(self) -> Counter {
        Counter { is_in_summary: true, ..self }
    }

    /// `/metrics` has it with its unit, as `floodway_NAME` of the function and as `floodway_call_NAME` of a call.
    const fn metric(self, name: &'static str) -> Counter {
        Counter { metric: Some(name), ..self }
    }
}

const COUNT: Counter = Counter::of(Unit::Count);
const BYTES: Counter = Counter::of(Unit::Bytes);
const MICROS: Counter = Counter::of(Unit::Micros);
const NANOS: Counter = Counter::of(Unit::Nanos);

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident: $declared:expr,)+) => {
        /// The bridge's counters at a moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            $($(#[doc = $help])+ pub $name: u64,)+
        }

        impl Counters {
            /// Adds the counters of another bridge.
            pub fn add(&mut self, other: &Counters) {
                $(self.$name = ($declared.add)(self.$name, other.$name);)+
            }

            /// Returns the declarations of all counters.
            pub(crate) fn declared() -> impl Iterator<Item = Counter> {
                [$(Counter {
                    name: stringify!($name),
                    help: concat!($($help),+).trim_ascii(),
                    of: |counters| counters.$name,
                    ..$declared
                },)+]
                .into_iter()
            }
        }
    };
}

counters! {
    /// Distinct batches that were sent.
    requests: COUNT.in_summary().metric("requests"),
    /// HTTP sends.
    attempts: COUNT.in_summary().metric("attempts"),
    /// Second sends of requests that were late.
    hedged: COUNT.in_summary().metric("requests_hedged"),
    /// Attempts that the remote side throttled (429).
    throttled: COUNT.in_summary().metric("attempts_throttled"),
    /// Requests that failed, whose records were returned.
    failed: COUNT.in_summary().metric("requests_failed"),
    /// Attempts that were given up before they were answered. They may have run, and are billed.
    abandoned: COUNT.in_summary().metric("attempts_abandoned"),
    /// Records in answers that came after the records were done.
    superseded: COUNT.in_summary().metric("superseded_records"),
    /// Empty requests at the start and while the breaker is open, which ask whether the remote side works.
    probes: COUNT.in_summary().metric("probes"),
    /// Empty requests that start environments ahead.
    warm_ups: COUNT.in_summary().metric("warm_ups"),
    /// How often the breaker opened.
    breaker_opened: COUNT.in_summary().metric("breaker_opened"),
    /// For how long the breaker was not closed.
    breaker_open_us: MICROS.max().metric("breaker_open"),
    /// Answers from an environment that was started for the request.
    cold_starts: COUNT.metric("cold_starts"),
    /// Requests in flight now.
    in_flight: COUNT,
    /// Records sent, once each.
    records_sent: COUNT,
    /// Records whose result the remote side returned.
    records_done: COUNT,
    /// Bytes of requests.
    bytes_out: BYTES,
    /// Bytes of answers.
    bytes_in: BYTES,
    /// Billed time, as the service reports it, or else as long as the attempt lasted.
    billed_us: MICROS.metric("billed"),
    /// Attempts that are billed: all that may have run, empty ones among them.
    billed: COUNT,
    /// Billed attempts whose billed time the service reported.
    metered: COUNT,
    /// The billed time that the service reported.
    metered_us: MICROS,
    /// How long the metered attempts lasted, which would be their billed time without the report.
    estimated_us: MICROS,
    /// CPU time of the bridge's thread.
    cpu_ns: NANOS.metric("bridge_cpu"),
    /// For how long the budget was spent.
    over_budget_us: MICROS.max(),
}

impl Counters {
    /// Returns the attempts that are neither the first of a request nor a hedge.
    pub fn retries(&self) -> u64 {
        self.attempts.saturating_sub(self.requests + self.hedged)
    }

    /// Writes the counters that the summary has, under their names, and the `retries`.
    pub(crate) fn serialize_in_summary<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let shown = Counters::declared().filter(|counter| counter.is_in_summary);
        let shown = shown.map(|counter| (counter.name, (counter.of)(self)));
        to.collect_map(shown.chain([("retries", self.retries())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_two_processes_is_summed_and_the_time_over_the_budget_is_the_longest() {
        // Each counter has another value, so that no two can be mixed up.
        let names: Vec<_> = Counters::declared().map(|counter| counter.name).collect();
        let process = |first: u64| -> Counters {
            let values = names.iter().zip(first..);
            let json = values.map(|(name, value)| ((*name).to_owned(), value.into()));
            serde_json::from_value(serde_json::Value::Object(json.collect())).unwrap()
        };
        let mut sum = process(1_000);
        sum.add(&process(1));
        for (place, counter) in (0..).zip(Counters::declared()) {
            let value = (counter.of)(&sum);
            let (larger, smaller) = (1_000 + place, 1 + place);
            let is_longest = ["over_budget_us", "breaker_open_us"].contains(&counter.name);
            let expected = if is_longest { larger } else { larger + smaller };
            assert_eq!(value, expected, "{}", counter.name);
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_and_says_what_it_counts() {
        let mut names = std::collections::BTreeSet::new();
        for counter in Counters::declared() {
            let is_sentence = counter.help.ends_with('.') && !counter.help.starts_with(' ');
            assert!(is_sentence, "{}: {:?}", counter.name, counter.help);
            assert!(counter.metric.is_none_or(|metric| names.insert(metric)), "{counter:?}");
        }
    }
}
