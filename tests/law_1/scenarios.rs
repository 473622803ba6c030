//! What happens to a run: the columns of the matrix.

use std::time::Duration;

use rustix::process::Signal;

use super::pair::Pair;
use super::{earlier, small_disk};
use crate::common::kills::{Killed, Way};
use crate::common::{end_of, signal};
use crate::fault_server::{Fault, Server};

/// A column of the matrix.
pub struct Scenario {
    pub name: &'static str,
    pub needs: Needs,
    /// Runs the feature's command through it, and checks what it leaves. Returns how often the trouble came: 0 if the
    /// run was over before.
    pub drive: fn(&mut Pair<'_>) -> usize,
}

/// What a scenario needs of a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needs {
    Nothing,
    /// The same command resumes.
    Resume,
    /// The feature sends records.
    Function,
}

const fn scenario(name: &'static str, needs: Needs, drive: fn(&mut Pair<'_>) -> usize) -> Scenario {
    Scenario { name, needs, drive }
}

/// All scenarios. A new one is a line here.
pub const SCENARIOS: [Scenario; 11] = [
    scenario("nothing happens", Needs::Nothing, |pair| runs(pair, &TWO)),
    scenario("one worker", Needs::Nothing, |pair| runs(pair, &ONE)),
    scenario("two processes", Needs::Nothing, |pair| runs(pair, &PROCESSES)),
    scenario("stopped and resumed", Needs::Resume, stopped),
    scenario("killed", Needs::Resume, |pair| killed(pair, &[TWO])),
    scenario("killed and resumed with others", Needs::Resume, |pair| {
        killed(pair, &[TWO, Way { workers: "3", ..TWO }, PROCESSES])
    }),
    scenario("state of an earlier version", Needs::Resume, earlier::resumed),
    scenario("disk full", Needs::Resume, small_disk::filled),
    scenario("function away", Needs::Function, |pair| meets(pair, &[Fault::GoneAfter(1)])),
    scenario("function slow", Needs::Function, |pair| meets(pair, &[Fault::Late, Fault::Hang])),
    scenario("function lying", Needs::Function, |pair| meets(pair, &LIES)),
];

/// Answers that a check finds wrong.
const LIES: [Fault; 9] = [
    Fault::OtherVersion,
    Fault::OtherTask,
    Fault::UnknownId,
    Fault::Missing,
    Fault::Doubled,
    Fault::TooMany,
    Fault::LineBreak("\n"),
    Fault::LineBreak("\r"),
    Fault::Truncated,
];

const ONE: Way = Way { workers: "1", processes: 1, options: &[] };
pub const TWO: Way = Way { workers: "2", ..ONE };
const PROCESSES: Way = Way { processes: 2, ..TWO };

fn runs(pair: &Pair<'_>, way: &Way) -> usize {
    pair.run(&pair.args(), way);
    1
}

/// The function has these faults in turn, each for one request. Between them it answers two requests well.
fn meets(pair: &Pair<'_>, faults: &[Fault]) -> usize {
    let each = faults.iter().flat_map(|fault| [*fault, Fault::None, Fault::None]);
    let faults = each.cycle().take(10_000).collect();
    let server = Server::text(pair.feature.output.task(), faults);
    pair.run(&pair.args_with(&*pair.sink, &["--lambda", &server.url]), &TWO);
    assert_eq!(server.misunderstood(), None);
    server.hit()
}

/// A signal stops the run in the middle, and the same command resumes it.
fn stopped(pair: &mut Pair<'_>) -> usize {
    let args = pair.args();
    let mut processes = pair.start(&args, &TWO);
    pair.wait_for_commits(&mut processes);
    for mut child in processes {
        if child.try_wait().unwrap().is_none() {
            signal(&child, Signal::TERM);
        }
        pair.is_well(&end_of(child, "a run that is stopped"));
    }
    let was_stopped = pair.is_part();
    pair.run(&args, &TWO);
    pair.has_nothing_to_do(&args, &TWO);
    usize::from(was_stopped)
}

/// SIGKILL ends it at random instants, and each start has one of these ways.
fn killed(pair: &mut Pair<'_>, ways: &[Way]) -> usize {
    let args = pair.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let after = Duration::from_millis(300);
    let commits = pair.sink.commits();
    let run = Killed { place: &pair.place, args: &args, ways, commits, after };
    let kills = run.until_done(&mut pair.random);
    pair.is_complete();
    kills
}
