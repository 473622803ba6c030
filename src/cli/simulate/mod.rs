//! `floodway simulate`.

mod plan;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::args::SimulateArgs;
use super::output::{print, print_error};
use crate::destination::{self, Destination};
use crate::policy::PolicyChoice;
use crate::simulate::{Model, Outcome};
use crate::units::{show_duration, show_many};

/// A model, and the policies to simulate on it.
pub(super) struct Simulation {
    model: Model,
    epoch: Duration,
    policies: Vec<PolicyChoice>,
    /// The options of the local Lambda, as they are typed.
    lambda: String,
}

impl Simulation {
    /// What comes of each policy.
    pub(super) fn outcomes(&self) -> Vec<(PolicyChoice, Outcome)> {
        let outcome = |choice: &PolicyChoice| {
            let make = || choice.make(self.epoch, self.model.deadline, self.model.workers);
            (*choice, self.model.run(choice.needs_remote(), make))
        };
        self.policies.iter().map(outcome).collect()
    }
}

pub(super) fn simulate(args: &SimulateArgs) -> Result<()> {
    let simulation = Simulation::new(args)?;
    let model = &simulation.model;
    let optimum = model.optimum();
    print_error(simulation.introduction(&optimum).trim_end());
    let began = Instant::now();
    let outcomes = simulation.outcomes();
    let took = began.elapsed();
    // The file is written whatever becomes of the table.
    let table = report::table(model, &outcomes, &optimum);
    let json_to = args.json.as_deref().map(Destination::of);
    // Where figures go to standard output, they are alone there.
    let printed = match json_to {
        Some(Destination::Stdout) => {
            print_error(table.trim_end());
            Ok(())
        }
        _ => print(&table),
    };
    let (stream, times) = (Duration::from_nanos(model.stream.end()), outcomes.len() as u64);
    let times = show_many(times, "time");
    print_error(format_args!(
        "{} of stream, {times}, in {}",
        show_duration(stream),
        show_duration(took)
    ));
    if let Some(path) = &args.json {
        let mut text = serde_json::to_vec_pretty(&simulation.json(&outcomes, &optimum))?;
        text.push(b'\n');
        destination::write(path, &text)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    printed
}
