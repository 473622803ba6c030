//! Runs that are killed at random instants, and started again with the same command until they are done.
//!
//! `FLOODWAY_KILLS` says how often. A failure prints the seed of the instants, and `FLOODWAY_SEED` repeats them.

use std::process::Child;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};

use super::{Place, end_of, error_of, start_processes, within_tries};

/// How a run is made, each time it is started.
#[derive(Clone, Copy)]
pub struct Way {
    pub workers: &'static str,
    pub processes: usize,
    pub options: &'static [&'static str],
}

/// A run that is killed.
pub struct Killed<'a> {
    pub place: &'a Place,
    pub args: &'a [&'a str],
    /// Each start takes one of them.
    pub ways: &'a [Way],
    /// The folder with the manifest that counts its commits.
    pub commits: &'a str,
    /// It is killed at most so long after its first commit.
    pub after: Duration,
}

/// The share of the kills that come at any time; the others come once the run has committed.
const EARLY: f64 = 0.3;

/// The most kills of one run. After them it runs to its end.
const MOST: usize = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Kills of a test, at least.
pub fn kills(usual: u64) -> usize {
    number("FLOODWAY_KILLS").unwrap_or(usual) as usize
}

/// The seed of the instants.
pub fn seed() -> u64 {
    number("FLOODWAY_SEED").unwrap_or_else(rand::random)
}

/// Where the instants come from.
pub fn random() -> SmallRng {
    let seed = seed();
    eprintln!("FLOODWAY_SEED={seed}");
    SmallRng::seed_from_u64(seed)
}

/// Repeats a run until there were as many kills as `FLOODWAY_KILLS` says, or `usual`. `run` answers how often it was
/// killed.
pub fn until_killed(usual: u64, mut run: impl FnMut(&mut SmallRng) -> usize) {
    let (mut random, all, mut killed) = (random(), kills(usual), 0);
    while killed < all {
        killed += within_tries("a run that is killed", || match run(&mut random) {
            0 => Err("it was over before".to_owned()),
            kills => Ok(kills),
        });
    }
}

impl Killed<'_> {
    /// Kills it until it is done; answers how often.
    pub fn until_done(&self, random: &mut SmallRng) -> usize {
        for kills in 0.. {
            let committed = || self.place.commits(self.commits);
            let before = committed();
            let mut processes = self.start(&self.ways[random.random_range(0..self.ways.len())]);
            let began = Instant::now();
            let mut alive =
                || processes.iter_mut().all(|child| child.try_wait().unwrap().is_none());
            let nap = || std::thread::park_timeout(Duration::from_millis(1));
            // Some while they begin or recover, most while they work.
            let early = random.random_bool(EARLY);
            while !early && alive() && committed() == before {
                nap();
            }
            let micros = random.random_range(0..self.after.as_micros() as u64);
            let after = began.elapsed() + Duration::from_micros(micros);
            while alive() && (kills >= MOST || began.elapsed() < after) {
                nap();
            }
            let has_begun = committed() > before;
            let victim = processes.swap_remove(random.random_range(0..processes.len()));
            let _ = kill_process(Pid::from_child(&victim), Signal::KILL);
            let killed = end_of(victim, "the victim");
            let well = killed.status.success();
            for mut other in processes {
                // One that still looks for its partner waits for it.
                if !well && !has_begun {
                    let _ = other.kill();
                }
                let output = end_of(other, "a process whose partner is gone");
                // It fails, unless its work was done already.
                let code = output.status.code();
                let is_expected = code == Some(0) || !well && [Some(1), None].contains(&code);
                assert!(is_expected, "{code:?}: {}", error_of(&output));
            }
            if well {
                return kills;
            }
            assert_eq!(killed.status.code(), None, "it ended by itself: {}", error_of(&killed));
        }
        unreachable!("it is not killed for ever")
    }

    /// Starts all processes of the run.
    fn start(&self, way: &Way) -> Vec<Child> {
        let all = [self.args, way.options, &["--", "-w", way.workers]].concat();
        match way.processes {
            1 => vec![self.place.start(&all)],
            several => start_processes(self.place, several, &all),
        }
    }
}
