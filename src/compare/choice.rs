//! Chooses a policy.

use serde::Serialize;

use super::Figures;
use super::table::{dollars, latency};

/// The recommended policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The policy's name.
    pub policy: String,
    /// The reason, as a part of a sentence.
    pub why: String,
}

/// Chooses the cheapest policy whose p99 is within `deadline_ms`, and of equally cheap ones the one with the lower
/// p99. If no policy keeps the deadline, it chooses the one with the lowest p99. `burst` says whether the latencies are
/// those of a burst.
pub fn choose(policies: &[(String, Figures)], deadline_ms: f64, burst: bool) -> Option<Choice> {
    let during = if burst { " during the burst" } else { "" };
    let deadline = latency(deadline_ms);
    let lower_p99 = |a: &Figures, b: &Figures| a.p99_ms.total_cmp(&b.p99_ms);
    let cheaper =
        |a: &Figures, b: &Figures| a.cost_usd.total_cmp(&b.cost_usd).then_with(|| lower_p99(a, b));
    let keeps: Vec<_> = policies.iter().filter(|(_, run)| run.p99_ms <= deadline_ms).collect();
    let (policy, why) = match keeps.iter().min_by(|(_, a), (_, b)| cheaper(a, b)) {
        Some((policy, run)) => {
            let (p99, cost) = (latency(run.p99_ms), dollars(run.cost_usd));
            let why = match keeps.len() {
                1 => format!(
                    "it alone keeps the deadline of {deadline} in p99{during} (p99 {p99}), for {cost}"
                ),
                several => format!(
                    "of the {several} that keep the deadline of {deadline} in p99{during} it is the \
                     cheapest ({cost}, p99 {p99})"
                ),
            };
            (policy, why)
        }
        None => {
            let (policy, run) = policies.iter().min_by(|(_, a), (_, b)| lower_p99(a, b))?;
            let why = format!(
                "none keeps the deadline of {deadline} in p99{during}; this one comes closest, with a \
                 p99 of {}, for {}",
                latency(run.p99_ms),
                dollars(run.cost_usd)
            );
            (policy, why)
        }
    };
    Some(Choice { policy: policy.clone(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, p99_ms: f64, cost_usd: f64) -> (String, Figures) {
        (name.to_owned(), Figures { p99_ms, cost_usd, ..Figures::default() })
    }

    #[test]
    fn the_cheapest_that_keeps_the_deadline() {
        let runs =
            [run("local", 900.0, 0.0), run("spill", 60.0, 0.002), run("deadline", 190.0, 0.001)];
        let choice = choose(&runs, 200.0, true).unwrap();
        assert_eq!(choice.policy, "deadline");
        assert_eq!(
            choice.why,
            "of the 2 that keep the deadline of 200 ms in p99 during the burst it is the cheapest \
             ($0.001000, p99 190 ms)"
        );
        let choice = choose(&runs, 100.0, false).unwrap();
        assert_eq!(choice.policy, "spill");
        assert!(choice.why.starts_with("it alone keeps the deadline of 100 ms in p99 (p99 60 ms)"));
        // The workers alone keep the deadline, and nothing is cheaper.
        assert_eq!(choose(&runs, 1_000.0, true).unwrap().policy, "local");
        assert_eq!(
            choose(&[run("a", 9.0, 0.0), run("b", 8.0, 0.0)], 10.0, true).unwrap().policy,
            "b"
        );
    }

    #[test]
    fn if_none_keeps_it_that_is_said() {
        let runs = [run("local", 900.0, 0.0), run("spill", 60.0, 0.002)];
        let choice = choose(&runs, 50.0, true).unwrap();
        assert_eq!(choice.policy, "spill");
        assert!(choice.why.starts_with("none keeps the deadline of 50 ms"), "{}", choice.why);
        assert_eq!(choose(&[], 50.0, true), None);
    }
}
