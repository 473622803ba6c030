//! Small programs for one test each: a test starts this executable again as a program of this name.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use floodway::App;
use floodway::bridge::Settings;
use floodway::job::{BuildError, Csv, Job, Lines, Output};
use floodway::task::Code;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange as ByKey;
use timely::dataflow::operators::vec::{Filter as _, Map as _};
use timely::dataflow::operators::{Exchange as _, Operator as _};

use crate::common::Place;

/// The variable with the name of the program.
pub const NAME: &str = "FLOODWAY_TEST_PROGRAM";

/// A place for the program `name`.
pub fn graph(name: &'static str) -> Place {
    Place::in_memory().running(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "app::programs::child", "--"]);
        command.env(NAME, name).env_remove("RUST_BACKTRACE");
        command
    })
}

/// Lines with the numbers below `end`.
pub fn numbers(end: u64) -> String {
    (0..end).map(|number| format!("{number}\n")).collect()
}

/// The program that [`graph`] starts.
#[test]
#[ignore = "a part of other tests, which run it in a process of its own"]
fn child() {
    let Ok(name) = std::env::var(NAME) else { return };
    let own = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
    let args = std::iter::once("program".into()).chain(own).collect();
    let program = match &*name {
        "options" => app().dataflow_with(|job, lines, options: &Options| {
            let factor = options.factor;
            let numbers = job.json::<i64>(lines);
            let results = job.burst("multiply", numbers, move |number| Ok(number * factor));
            Ok(job.json_lines(results))
        }),
        // An option of `compare` has the same name.
        "rounds" => app().dataflow_with(|job, lines, options: &Rounds| {
            let rounds = options.rounds;
            let numbers = job.json::<u64>(lines);
            let results = job.burst("multiply", numbers, move |number| Ok(number * rounds));
            Ok(job.json_lines(results))
        }),
        "csv" => app().dataflow(|job, lines| {
            let orders = job.csv::<Order>(lines);
            let totals = job.burst("total", orders, total);
            Ok(job.csv_lines(totals))
        }),
        "columns" => app().dataflow(|job, lines| {
            let form = Csv::default().columns(["id", "item", "", "price", "count"]);
            let orders = job.csv_with::<Order>(lines, form.delimiter(b';'));
            let totals = job.burst("total", orders, total);
            Ok(job.csv_lines(totals))
        }),
        _ => app().dataflow(move |job, lines| build(&name, job, lines)),
    };
    std::process::exit(floodway::internal::main_of(&program, args).code().into());
}

/// The variable with the version of the program.
pub const VERSION: &str = "FLOODWAY_TEST_VERSION";

fn app() -> App {
    let version = std::env::var(VERSION).unwrap_or_else(|_| "1.0.0".to_owned());
    floodway::app("program").version(version.leak())
}

/// The options of the program `options`.
#[derive(clap::Args)]
struct Options {
    /// What numbers are multiplied by.
    #[arg(long, default_value_t = 2)]
    factor: i64,
}

/// The options of the program `rounds`.
#[derive(clap::Args)]
struct Rounds {
    /// What numbers are multiplied by.
    #[arg(long, default_value_t = 2)]
    rounds: u64,
}

/// A line of the program `csv`.
#[derive(Clone, serde::Deserialize, serde::Serialize)]
struct Order {
    id: u64,
    item: String,
    count: Option<u32>,
    price: f64,
}

#[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
struct Total {
    id: u64,
    item: String,
    total: f64,
}

fn total(Order { id, item, count, price }: &Order) -> Result<Total, Code> {
    let count = count.ok_or(Code("no_count".into()))?;
    Ok(Total { id: *id, item: item.replace('|', "\n"), total: f64::from(count) * price })
}

/// The number of times that the graph was built in this process.
static BUILT: AtomicU64 = AtomicU64::new(0);
/// The number of results of the task `impure`.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn build<'scope>(
    name: &str,
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Result<Output<'scope>, BuildError> {
    let built = BUILT.fetch_add(1, SeqCst);
    match name {
        "fails" => return Err(std::fs::read("rules").map(drop).map_err(Rules).unwrap_err().into()),
        // The first time is the one before the run, the others are the workers'.
        "fails on a worker" if built == 2 => return Err("no rules on this worker".into()),
        "panics" => panic!("there are no rules"),
        "panics on a worker" if built == 2 => panic!("there are no rules on this worker"),
        "aggregate lines" => {
            let counts = super::aggregate::counts_of_lines(job, lines);
            return Ok(job.json_lines(counts));
        }
        _ => {}
    }
    if name == "parser panics" {
        let numbers = job.parse(lines, |line| {
            assert_ne!(line, "700", "700 is too much");
            Ok(line.len())
        });
        return Ok(job.json_lines(numbers));
    }
    let numbers = job.json::<u64>(lines);
    Ok(match name {
        "named twice" => {
            let once = job.burst("double", numbers, double);
            let twice = job.burst("double", once, double);
            job.json_lines(twice)
        }
        "named wrongly" => {
            let results = job.burst("double, v1.2", numbers, double);
            job.json_lines(results)
        }
        "output first" => {
            let output = job.json_lines(numbers.clone());
            job.burst("double", numbers, double);
            output
        }
        "task panics" => {
            let results = job.burst("panics", numbers, |number| {
                assert_ne!(*number, 700, "700 is too much");
                Ok(*number)
            });
            job.json_lines(results)
        }
        "slow" => {
            let results = job.burst("slow", numbers, |number| {
                std::thread::sleep(Duration::from_millis(1));
                Ok(*number)
            });
            job.json_lines(results)
        }
        "impure" => {
            let results = job.burst("impure", numbers, |_| Ok(CALLS.fetch_add(1, SeqCst)));
            job.json_lines(results)
        }
        // A third of the results is no JSON, and another third has none.
        "not finite" => {
            let results = job.burst("divide", numbers, |number| {
                Ok(number
                    .is_multiple_of(3)
                    .then_some(f64::NAN)
                    .or((number % 3 == 1).then_some(0.5)))
            });
            job.json_lines(results)
        }
        // What is sent to the second stage is no JSON either.
        "not finite between stages" => {
            let numbers =
                numbers.map(|number| if number % 3 == 0 { f64::NAN } else { number as f64 });
            let results = job.burst("is_nan", numbers, |number| Ok(number.is_nan()));
            job.json_lines(results)
        }
        "unwritable" => {
            let results = job.burst("unwritable", numbers, |number| {
                Ok((*number == 700).then_some(HashMap::from([(vec![*number], 1)])))
            });
            job.json_lines(results)
        }
        // Without a stage: how many numbers an epoch has for each remainder.
        "counts" => {
            let counts = numbers.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(
                ByKey::new(|number: &u64| number % 3),
                "Count",
                |_, _| {
                    let mut epochs = BTreeMap::new();
                    move |(input, frontier), output| {
                        input.for_each(|capability, numbers| {
                            let Some(&epoch) = capability.least() else { return };
                            let (_, counts) = epochs.entry(epoch).or_insert_with(|| {
                                (capability.delayed(&epoch, 0), BTreeMap::new())
                            });
                            for number in numbers.drain(..) {
                                *counts.entry(number % 3).or_insert(0) += 1;
                            }
                        });
                        while let Some(first) = epochs.first_entry()
                            && !frontier.less_equal(first.key())
                        {
                            let (epoch, (capability, counts)) = first.remove_entry();
                            output.session(&capability).give_iterator(counts.into_iter().map(
                                |(key, count): (u64, u64)| (format!("{key}: {count}"), epoch, 1),
                            ));
                        }
                    }
                },
            );
            job.changes(counts)
        }
        // A call of a service that is named on the command line.
        "call" => {
            let settings = Settings {
                batch_records: 10,
                attempts: 3,
                backoff: Duration::from_millis(5),
                ..Settings::call()
            };
            let squares = job.call::<_, u64>("square", numbers, settings);
            job.json_lines(squares)
        }
        "slow call" => {
            let settings = Settings {
                batch_records: 10,
                max_in_flight: 4,
                requests_per_second: Some(20),
                ..Settings::call()
            };
            let squares = job.call::<_, u64>("square", numbers, settings);
            job.json_lines(squares)
        }
        // Numbers and their multiples, joined and counted by differential dataflow.
        "joined" => {
            let doubled = job.burst("double", numbers.clone(), double);
            let (few, key) =
                (|number: &u64| number.is_multiple_of(7), |number| (number % 50, number));
            let few = job.collection("few", numbers.filter(few).map(key));
            let doubled = job.collection("doubled", doubled.map(key));
            let counts = few.join_map(doubled, |key, _, _| *key).count();
            let lines = counts.map(|(key, count)| format!("{key},{count}")).consolidate().inner;
            job.changes(lines)
        }
        "aggregate" => {
            let counts = super::aggregate::counts(job, numbers);
            job.json_lines(counts)
        }
        // The same records are bad, and a result has the row of its record.
        "rows" => {
            let rows = job.burst("count", numbers, super::aggregate::row);
            job.json_lines(super::aggregate::merged(rows))
        }
        "exchange" => {
            let doubled = job.burst("double", numbers, double);
            let tripled =
                job.burst("triple", doubled.exchange(|number| *number), |number| Ok(number * 3));
            job.json_lines(tripled)
        }
        // The same stage, by another name.
        "other" => {
            let doubled = job.burst("twice", numbers, double);
            job.json_lines(doubled)
        }
        _ => {
            let doubled = job.burst("double", numbers, double);
            job.json_lines(doubled)
        }
    })
}

fn double(number: &u64) -> Result<u64, Code> {
    Ok(number * 2)
}

/// An error with a cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the rules")]
struct Rules(#[source] std::io::Error);
