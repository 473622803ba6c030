//! What limits a dataflow, and what sending would buy: the figures of a short run.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::{Report, StageCounts, StageFigures};
use crate::stage_needs::StageNeeds;
use crate::terminal::plain;
use crate::units::{show_count, show_duration, show_many, show_rate};

/// What is known of a run besides its report.
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The time from the start to the end of the run.
    pub wall: Duration,
    /// The number of processes that compute in place of the workers, if a function in a folder is the task.
    pub processes: Option<usize>,
    /// Returns what a record of a stage would cost that takes a worker so many milliseconds, in US dollars.
    pub usd_per_record: &'a dyn Fn(&str, f64) -> f64,
}

/// The explanation of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The policy's name.
    pub policy: String,
    /// The number of workers, or of the processes that compute in their place.
    pub workers: usize,
    /// Whether they are such processes.
    pub are_processes: bool,
    /// The number of events that were offered, or done if they have no schedule.
    pub events: u64,
    /// The number of these events per second.
    pub offered_eps: f64,
    /// Whether the events have a schedule. Without one the workers do as many as they can.
    pub is_paced: bool,
    /// The time from the start to the end of the run.
    pub wall_ms: f64,
    /// The stages, in the order in which they are built.
    pub stages: Vec<ExplainedStage>,
    /// The number of workers that all stages need.
    pub needs_workers: f64,
    /// The stage that is the bottleneck. Without a schedule it is the one that takes the most time.
    pub bottleneck: Option<String>,
    /// What it would buy to send records of the bottleneck.
    pub sending: Option<Sending>,
}

/// A stage of an explained run.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedStage {
    /// The figures of the run. If nothing was sent, the cost for each hour of a worker is estimated.
    #[serde(flatten)]
    pub figures: StageFigures,
    /// Whether the cost is estimated: a function takes as long for a record as a worker does.
    pub is_estimated: bool,
}

/// What it would buy to send records of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sending {
    /// The share of its records that has to be sent so that the workers can do the rest.
    pub fraction: f64,
    /// The number of these records per second.
    pub records_per_second: f64,
    /// What that costs, in US dollars. None if it is not known.
    pub usd_per_hour: Option<f64>,
    /// The rate of the source with which the workers would keep up.
    pub keeps_up_with_eps: f64,
}

impl Explanation {
    /// Explains the run of this report.
    pub fn of(report: &Report, run: Explained) -> Self {
        let of_processes = run.processes.map(|processes| by_processes(report, processes));
        let report = of_processes.as_ref().unwrap_or(report);
        let seconds = report.offered_ns.map_or(run.wall, Duration::from_nanos).as_secs_f64();
        // Without a schedule, what waits is not offered at any rate.
        let first = report.stages.iter().filter(|stage| stage.from.is_empty());
        let (received, done) =
            first.fold((0, 0), |(received, done), StageCounts { totals, .. }| {
                (received + totals.received, done + totals.done())
            });
        let share = if report.offered_ns.is_some() || received == 0 {
            1.0
        } else {
            done as f64 / received as f64
        };
        let offered_eps = share * report.emitted as f64 / seconds.max(1e-9);
        let figures = report.stage_figures(run.wall);
        let stages: Vec<_> = figures.into_iter().map(|stage| explained(stage, run)).collect();
        let of_stages = stages.iter().map(|stage| stage.figures.needs_workers);
        let needs = StageNeeds::new(of_stages, report.workers);
        let is_paced = report.offered_ns.is_some();
        let bottleneck = if is_paced { needs.bottleneck() } else { needs.most() };
        let sending = bottleneck.map(|at| {
            sending(&needs, at, &stages[at].figures, (is_paced, offered_eps, report.workers))
        });
        Explanation {
            policy: run.policy.to_owned(),
            workers: report.workers,
            are_processes: run.processes.is_some(),
            events: (share * report.emitted as f64).round() as u64,
            offered_eps,
            is_paced,
            wall_ms: run.wall.as_secs_f64() * 1e3,
            needs_workers: needs.total(),
            bottleneck: bottleneck.map(|at| stages[at].figures.name.clone()),
            sending,
            stages,
        }
    }
}

/// Returns the report as if each process had been a worker: the time of a worker is that of its share of them.
fn by_processes(report: &Report, processes: usize) -> Report {
    let share = processes as f64 / report.workers.max(1) as f64;
    let mut report = Report { workers: processes, ..report.clone() };
    for stage in &mut report.stages {
        stage.totals.useful_ns = (stage.totals.useful_ns as f64 * share) as u64;
    }
    report
}

/// Adds an estimate of the cost to the figures of a stage of which nothing was sent.
fn explained(figures: StageFigures, run: Explained) -> ExplainedStage {
    let is_estimated = figures.usd_per_saved_hour.is_none() && !figures.is_call;
    let estimate = figures
        .useful_us
        .filter(|us| is_estimated && *us > 0.0)
        .map(|us| (run.usd_per_record)(&figures.name, us / 1e3) / us * 3.6e9);
    let usd_per_saved_hour = figures.usd_per_saved_hour.or(estimate);
    ExplainedStage { figures: StageFigures { usd_per_saved_hour, ..figures }, is_estimated }
}

/// Returns what it would buy to send records of the stage `at`.
fn sending(
    needs: &StageNeeds,
    at: usize,
    stage: &StageFigures,
    (is_paced, offered_eps, workers): (bool, f64, usize),
) -> Sending {
    // Without a schedule there is no rate to keep up with, so it is what sending all of them would buy.
    let fraction = if is_paced { needs.to_send(at) } else { 1.0 };
    let sent = fraction * stage.offered_eps;
    let saved = fraction * needs.of(at).unwrap_or(0.0);
    let left = if is_paced { needs.total() - saved } else { workers as f64 - saved };
    Sending {
        fraction,
        records_per_second: sent,
        usd_per_hour: stage.usd_per_saved_hour.map(|usd| usd * saved),
        // The workers' time that a record of the source takes is less by what is saved.
        keeps_up_with_eps: offered_eps * workers as f64 / left.max(workers as f64 / 1e2),
    }
}

impl Explanation {
    /// Returns the explanation in words, in several lines.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let wall = show_duration(Duration::from_secs_f64(self.wall_ms.max(0.0) / 1e3));
        let how = if self.is_paced { "offered" } else { "done" };
        let _ = writeln!(
            words,
            "{} in {wall}: {} {how} per second, policy {}, {}\n",
            show_many(self.events, "event"),
            rate(self.offered_eps),
            self.policy,
            self.many(self.workers as u64),
        );
        self.table(&mut words);
        let _ = writeln!(words, "\n{}", self.limits());
        if let Some(buys) = self.buys() {
            let _ = writeln!(words, "{buys}");
        }
        words.lines().map(|line| format!("{}\n", plain(line).trim_end())).collect()
    }

    /// Names so many workers, or processes.
    fn many(&self, count: u64) -> String {
        show_many(count, self.names().0)
    }

    /// Names one of them, and all.
    fn names(&self) -> (&'static str, &'static str) {
        if self.are_processes { ("process", "processes") } else { ("worker", "workers") }
    }

    fn table(&self, words: &mut String) {
        let names = self.stages.iter().map(|stage| stage.figures.name.chars().count());
        let width = names.max().unwrap_or(0).max("stage".len());
        let mut line = |name: &str, [offered, record, needs, sent, cost, saved]: [&str; 6]| {
            let _ = writeln!(
                words,
                "{name:width$}  {offered:>10}  {record:>9}  {needs:>7}  {sent:>5}  {cost:>10}  {saved:>14}"
            );
        };
        line("stage", ["offered/s", "a record", "needs", "sent", "cost", "$/saved hour"]);
        for ExplainedStage { figures, is_estimated } in &self.stages {
            let unknown = || if figures.is_call { "" } else { "?" }.to_owned();
            let record = figures.useful_us.map_or_else(unknown, micros);
            let needs = figures.needs_workers.map_or_else(unknown, |needs| format!("{needs:.2}"));
            let sent = match figures.is_call {
                true => "call".to_owned(),
                false => {
                    let share = figures.remote as f64 / figures.done.max(1) as f64;
                    format!("{:.0} %", share * 100.0)
                }
            };
            let about = if *is_estimated { "~" } else { "" };
            let saved = figures.usd_per_saved_hour.map(|usd| format!("{about}{usd:.3}"));
            let cost = match figures.is_call {
                true => String::new(),
                false => format!("${:.6}", figures.cost_usd),
            };
            let saved = saved.unwrap_or_else(unknown);
            line(
                &figures.name,
                [&rate(figures.offered_eps), &record, &needs, &sent, &cost, &saved],
            );
        }
        line("all", ["", "", &format!("{:.2}", self.needs_workers), "", "", ""]);
    }

    /// Returns what limits the run, in a sentence.
    fn limits(&self) -> String {
        let (workers, (one, all)) = (self.many(self.workers as u64), self.names());
        let Some(name) = &self.bottleneck else {
            if self.needs_workers <= 0.0 {
                return format!(
                    "No {one} has computed a record, so what a record costs is not known: try --policy local."
                );
            }
            return format!(
                "The {all} keep up: all stages need {:.2} of {workers}. Sending would buy nothing at this rate; \
                 it would from about {} events per second on.",
                self.needs_workers,
                rate(self.offered_eps * self.workers as f64 / self.needs_workers)
            );
        };
        let own = self.stages.iter().find(|stage| stage.figures.name == *name);
        let own = own.and_then(|stage| stage.figures.needs_workers).unwrap_or(0.0);
        match self.is_paced {
            true => format!(
                "The bottleneck is {name}: it needs {own:.2} of the {:.2} {all} that all stages need, and there \
                 {} {workers}.",
                self.needs_workers,
                if self.workers == 1 { "is" } else { "are" }
            ),
            false => format!(
                "The events have no rate, so {workers} did as many as possible. The bottleneck is {name}: its \
                 records took {:.0} % of the {all}' time{}.",
                own * 100.0 / self.workers.max(1) as f64,
                match self.stages.len() {
                    1 => String::new(),
                    _ => {
                        let all = self.needs_workers * 100.0 / self.workers.max(1) as f64;
                        format!(", and those of all stages {all:.0} %")
                    }
                }
            ),
        }
    }

    /// Returns what sending would buy, in a sentence a line.
    fn buys(&self) -> Option<String> {
        let (name, sending) = self.bottleneck.as_ref().zip(self.sending.as_ref())?;
        let stage = self.stages.iter().find(|stage| stage.figures.name == *name)?;
        let (all, (one, names)) = (rate(sending.keeps_up_with_eps), self.names());
        let is_enough = sending.keeps_up_with_eps >= self.offered_eps * 0.999;
        let mut lines = vec![match (self.is_paced, is_enough) {
            (false, _) => format!(
                "If all of its records are sent, the {names} have time for {all} events per second."
            ),
            (true, true) => format!(
                "If {:.0} % of its records are sent ({}/s), the {names} keep up.",
                sending.fraction * 100.0,
                rate(sending.records_per_second),
            ),
            (true, false) => format!(
                "If all of its records are sent, the {names} still keep up with {all} events per second only."
            ),
        }];
        if let Some((usd, saved)) = sending.usd_per_hour.zip(stage.figures.usd_per_saved_hour) {
            let about = if stage.is_estimated { "about " } else { "" };
            lines.push(format!(
                "That costs {about}${usd:.2} per hour, or ${saved:.2} for each hour of a {one} that it saves."
            ));
        }
        if self.is_paced {
            let workers = self.many(self.needs_workers.ceil() as u64);
            lines.push(format!("Without sending, {workers} would keep up."));
        }
        Some(lines.join("\n"))
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        0.0..10.0 => show_rate((per_second * 100.0).round() / 100.0),
        _ => show_count(per_second.round() as u64),
    }
}

fn micros(us: f64) -> String {
    show_duration(Duration::from_secs_f64(us.max(0.0) / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;
    use crate::observe::StageTotals;

    /// A second in which 10,000 records came to each of two stages, of which one takes 20 µs and the other 180 µs.
    fn report(offered_ns: Option<u64>, remote: u64) -> Report {
        let stage = |name: &str, from: &[usize], record_ns: u64, remote: u64| {
            let worked = 10_000 - remote;
            let totals = StageTotals {
                received: 10_000,
                local: worked,
                remote,
                worked,
                useful_ns: worked * record_ns,
                usd: remote as f64 * 1e-8,
                ..StageTotals::default()
            };
            StageCounts { name: name.to_owned(), is_call: false, from: from.to_vec(), totals }
        };
        let stages = vec![stage("few", &[], 20_000, 0), stage("many", &[0], 180_000, remote)];
        Report { workers: 1, emitted: 10_000, offered_ns, stages, ..Report::default() }
    }

    fn explain(report: &Report, wall: u64) -> (Explanation, String) {
        let (cost, wall) = (Cost::default(), Duration::from_secs(wall));
        let usd_per_record = |_: &str, ms: f64| cost.usd_per_record(1_000, ms);
        let usd_per_record = &usd_per_record;
        let run = Explained { policy: "local", wall, processes: None, usd_per_record };
        let explanation = Explanation::of(report, run);
        let words = explanation.words();
        (explanation, words)
    }

    #[test]
    fn the_share_to_send_lets_the_workers_keep_up_with_what_is_offered() {
        // What was offered in a second took the worker two.
        let (explanation, words) = explain(&report(Some(1_000_000_000), 0), 2);
        assert!((explanation.needs_workers - 2.0).abs() < 1e-9, "{explanation:?}");
        assert_eq!(explanation.bottleneck.as_deref(), Some("many"));
        let sending = explanation.sending.unwrap();
        // The other stage leaves 0.8 of the worker.
        assert!((sending.fraction - (1.0 - 0.8 / 1.8)).abs() < 1e-9, "{sending:?}");
        assert!((sending.keeps_up_with_eps - 10_000.0).abs() < 1e-6, "{sending:?}");
        assert!(
            words.contains("The bottleneck is many: it needs 1.80 of the 2.00 workers"),
            "{words}"
        );
        assert!(
            words.contains("and there is 1 worker.\nIf 56 % of its records are sent"),
            "{words}"
        );
        // An hour of a virtual CPU is ten cents at list prices, and six requests per second are half a cent.
        assert!(words.contains("That costs about $0.11 per hour"), "{words}");
    }

    #[test]
    fn what_was_sent_has_its_real_price() {
        let (explanation, words) = explain(&report(Some(1_000_000_000), 5_000), 1);
        let [few, many] = &explanation.stages[..] else { panic!("{explanation:?}") };
        assert!(few.is_estimated && !many.is_estimated, "{explanation:?}");
        // 180 µs of a worker for 1e-8 dollars.
        assert!((many.figures.usd_per_saved_hour.unwrap() - 0.2).abs() < 1e-9, "{many:?}");
        assert!(words.contains("costs $0.20 per hour, or $0.20 for each hour"), "{words}");
    }

    #[test]
    fn workers_that_keep_up_need_not_send_and_without_a_rate_they_are_all_busy() {
        let (explanation, words) = explain(&report(Some(4_000_000_000), 0), 4);
        assert_eq!((explanation.bottleneck, explanation.sending), (None, None));
        assert!(words.contains("all stages need 0.50 of 1 worker."), "{words}");
        assert!(words.contains("from about 5,000 events per second on."), "{words}");
        // The worker is busy all the time.
        let (explanation, words) = explain(&report(None, 0), 2);
        assert_eq!(explanation.bottleneck.as_deref(), Some("many"));
        assert!(
            words.contains("took 90 % of the workers' time, and those of all stages 100 %"),
            "{words}"
        );
        assert!(words.contains("have time for 50,000 events per second"), "{words}");
    }

    #[test]
    fn sending_one_stage_may_not_be_enough() {
        let mut report = report(Some(1_000_000_000), 0);
        report.stages[0].totals.useful_ns *= 80;
        let (_, words) = explain(&report, 3);
        assert!(
            words.contains("the workers still keep up with 5,556 events per second only"),
            "{words}"
        );
    }
}
