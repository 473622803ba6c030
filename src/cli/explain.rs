//! `floodway explain`: a short run that says what a record costs at each stage, what limits the dataflow, and what sending
//! would buy.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::args::ExplainArgs;
use super::output::print;
use super::{logging, refused, run, settings, sink};
use crate::observe::{Explained, Explanation};
use crate::pipeline::{self, Failures, Finished, RunError, RunListener, Stop};

/// The length of the run, unless it is given.
const DURATION: Duration = Duration::from_secs(5);

/// How much longer the run may last if the workers do not keep up. What they have done by then says enough.
const OVERTIME: Duration = Duration::from_secs(1);

/// How long the run may take to stop, unless it is given. There is no output whose last epochs have to be complete.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Runs the command.
pub(super) fn explain(mut args: ExplainArgs) -> Result<()> {
    let options = &mut args.run;
    // The end of the run is not waited for, so its last epochs may not be complete.
    logging::init_with(options.log.as_deref(), "warn,floodway::pipeline::run_end=error")?;
    refused::EXPLAIN.check(&options.given)?;
    options.sink = Some(sink::NULL.to_owned());
    let rates = &mut options.events.rates;
    if rates.events.is_none() && rates.duration.is_none() {
        rates.duration = Some(DURATION);
    }
    if options.given.value("--stop-within").is_none() {
        options.options.stop_within = STOP_WITHIN;
    }
    let settings = settings::run(options)?;
    run::announce_proxy(&settings)?;
    let (stop, sink) = (Stop::default(), Arc::clone(&settings.sink));
    run::stop_on_signals(&stop, settings.options.stop_within, &Arc::default())
        .context("cannot listen for signals")?;
    let (policy, priced) = (settings.policy_names(), settings.clone());
    let mut limit = TimeLimit { stop: stop.clone(), limit: settings.duration };
    let Finished { summary, report, result, .. } = pipeline::run(settings, &stop, &mut limit);
    if let Some((summary, report)) = summary.zip(report).filter(|(_, report)| report.emitted > 0) {
        let wall = match summary.stopped == "done" {
            true => Duration::from_secs_f64(summary.wall_ms.max(0.0) / 1e3),
            // The last commit may be long ago.
            false => Duration::from_nanos(report.lasted_ns),
        };
        let usd_per_record = |stage: &str, ms: f64| {
            let bridge = &priced.sending_of(stage).bridge;
            let records = bridge.request_records(Duration::from_secs_f64(ms.max(0.0) / 1e3));
            bridge.cost.usd_per_record(records, ms)
        };
        let of_each = priced.pool.as_ref().map(|pool| pool.processes);
        let explained = Explained {
            policy: &policy,
            wall,
            processes: of_each.map(|processes| processes * priced.timely.processes),
            usd_per_record: &usd_per_record,
        };
        let explanation = Explanation::of(&report, explained);
        print(&match args.json {
            true => serde_json::to_string_pretty(&explanation)? + "\n",
            false => explanation.words(),
        })?;
    }
    result.map_err(|error| match error {
        RunError::NotStarted(error) => run::not_started(*error, &args.run, &*sink),
        error => error.into(),
    })
}

/// Stops the run when its time is over.
struct TimeLimit {
    stop: Stop,
    limit: Option<Duration>,
}

impl RunListener for TimeLimit {
    fn begun(&mut self, failures: Failures) {
        run::report_panics(failures);
    }

    fn started(&mut self) {
        let Some(limit) = self.limit else { return };
        let stop = self.stop.clone();
        let end = move || {
            thread::sleep(limit + OVERTIME);
            stop.request();
        };
        // Without a thread the run lasts as long as its input.
        let _ = thread::Builder::new().name("floodway-limit".to_owned()).spawn(end);
    }
}
