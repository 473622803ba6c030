//! Gives a target its inputs: the corpus, the corpus cut off, and for as long as is wanted new ones.
//!
//! New inputs are changes of old ones ([`mutate`](crate::mutate)). An input is kept, to be changed
//! further, if its *outcome* is new: a target answers in words what became of it, an error's text or
//! what was accepted, and the words without what was quoted and counted in them say which way through
//! the parser it took. That guides a session as coverage would, costs nothing, and needs neither
//! nightly (`-Z sanitizer`, `cargo fuzz`) nor counters read by unsafe code (`-C instrument-coverage`).

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use floodway::units::parse_duration;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use crate::mutate::mutated;
use crate::targets::folder;

/// A format.
pub struct Target {
    /// Its name, and its corpus's.
    pub name: &'static str,
    /// Words that its inputs are made of.
    pub tokens: Vec<&'static str>,
    /// At how many places an input of the corpus is cut off, at most.
    pub cuts: usize,
    /// Takes an input, and answers what became of it. Panics if that is wrong.
    pub check: Box<dyn FnMut(&[u8]) -> String>,
}

/// What all JSON is made of.
const JSON: [&str; 9] = ["{", "}", "[", "]", ",", ":", "\"", "null", "\\u0000"];

impl Target {
    /// The format `name`, whose inputs are made of `words` and cut off everywhere.
    pub fn new(
        name: &'static str,
        words: &[&'static str],
        check: impl FnMut(&[u8]) -> String + 'static,
    ) -> Target {
        Target { name, tokens: words.to_vec(), cuts: usize::MAX, check: Box::new(check) }
    }

    /// The same of a format that is JSON: `words` are those of its own.
    pub fn json(
        name: &'static str,
        words: &[&'static str],
        check: impl FnMut(&[u8]) -> String + 'static,
    ) -> Target {
        Target::new(name, &[&JSON, words].concat(), check)
    }

    /// An input is cut off at so many places at most.
    pub fn cut_at_most(self, cuts: usize) -> Target {
        Target { cuts, ..self }
    }
}

/// An execution that lasts longer is one that never ends.
const HANGS: Duration = Duration::from_secs(20);

/// Gives the target all that it is to be given.
pub fn run(target: Target) {
    let corpus = corpus(target.name);
    assert!(!corpus.is_empty(), "{} has a corpus", target.name);
    let mut session = Session::new(target);
    for (name, bytes) in &corpus {
        session.must_hold(bytes, name);
        let step = bytes.len().div_ceil(session.target.cuts).max(1);
        for length in (0..bytes.len()).step_by(step) {
            session.must_hold(&bytes[..length], &format!("{name}, its first {length} bytes"));
        }
    }
    if let Ok(text) = std::env::var("FLOODWAY_FUZZ") {
        let time = parse_duration(&text).expect("FLOODWAY_FUZZ is a duration, such as 60s");
        session.fuzz(time, corpus.into_iter().map(|(_, bytes)| bytes).collect());
    }
}

fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
}

/// The inputs of a target, by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(corpus_of(name)).expect("the corpus is there");
    let mut corpus: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    corpus.sort();
    corpus
}

/// A target that is being tried.
struct Session {
    target: Target,
    seen: HashSet<u64>,
}

impl Session {
    fn new(target: Target) -> Self {
        hear_panics();
        Session { target, seen: HashSet::new() }
    }

    /// What becomes of an input, or why that is wrong.
    fn outcome(&mut self, bytes: &[u8]) -> Result<String, String> {
        PLACE.set(Some(String::new()));
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.check)(bytes)));
        let place = PLACE.take().unwrap_or_default();
        outcome.map_err(|payload| message(payload) + &place)
    }

    fn must_hold(&mut self, bytes: &[u8], what: &str) {
        match self.outcome(bytes) {
            Ok(outcome) => drop(self.seen.insert(way(&outcome))),
            Err(why) => panic!("{}: {what}: {why}", self.target.name),
        }
    }

    fn fuzz(&mut self, time: Duration, mut pool: Vec<Vec<u8>>) {
        const MOST: usize = 4_000;
        let name = self.target.name;
        let seed = match std::env::var("FLOODWAY_SEED") {
            Ok(seed) => seed.parse().expect("FLOODWAY_SEED is a number"),
            Err(_) => rand::random_range(0..1_000_000u64),
        };
        println!("{name}: FLOODWAY_SEED={seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        let watch = Watch::start(name);
        let known = self.seen.len();
        let (began, mut executions, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
        let mut failures: Vec<String> = Vec::new();
        while began.elapsed() < time {
            let [one, other] = [(); 2].map(|()| &pool[rng.random_range(0..pool.len())]);
            let input = mutated(&mut rng, one, other, &self.target.tokens);
            watch.begin(&input, executions);
            let before = Instant::now();
            let outcome = self.outcome(&input);
            slowest = slowest.max(before.elapsed());
            executions += 1;
            match outcome {
                Ok(outcome) => {
                    if self.seen.insert(way(&outcome)) && pool.len() < MOST {
                        pool.push(input);
                    }
                }
                Err(why) if self.seen.insert(way(&why)) => {
                    let shortest = self.shortened(input, &why);
                    let path = save(name, &shortest, &why);
                    println!("{name}: FAILED: {why}\n    saved as {}", path.display());
                    failures.push(why);
                }
                Err(_) => {}
            }
        }
        watch.end();
        println!(
            "{name}: {executions} executions in {time:?}, {:.0} a second, the slowest {slowest:?}; \
             {known} outcomes in the corpus, {} found; {} failures",
            executions as f64 / began.elapsed().as_secs_f64(),
            self.seen.len() - known - failures.len(),
            failures.len(),
        );
        keep(name, &pool);
        assert!(failures.is_empty(), "{name}, seed {seed}: {failures:#?}");
    }

    /// A shorter input that fails in the same way.
    fn shortened(&mut self, mut input: Vec<u8>, why: &str) -> Vec<u8> {
        let mut part = input.len() / 2;
        while part > 0 {
            let mut at = 0;
            while at + part <= input.len() {
                let shorter = [&input[..at], &input[at + part..]].concat();
                match self.outcome(&shorter) {
                    Err(other) if way(&other) == way(why) => input = shorter,
                    _ => at += part,
                }
            }
            part /= 2;
        }
        input
    }
}

thread_local! {
    /// Where the target panicked, while it is tried.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static ELSEWHERE: Mutex<Option<String>> = Mutex::new(None);

/// A panic of a thread of Floodway's since this was last asked.
pub fn panic_elsewhere() -> Option<String> {
    ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A panic of a target is told by whoever tried it: many inputs panic while one is made shorter.
fn hear_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| format!(" ({at})")).unwrap_or_default();
            let is_targets =
                PLACE.with_borrow_mut(|kept| kept.as_mut().map(|kept| *kept = place).is_some());
            let thread = std::thread::current();
            if is_targets {
                return;
            }
            if thread.name().is_some_and(|name| name.starts_with("floodway-")) {
                *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
            } else {
                before(info);
            }
        }));
    });
}

/// What a panic says.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}

/// The words of an outcome, without what is quoted and counted.
fn words(outcome: &str) -> String {
    // A parser's picture of the place is a part of the input.
    let lines = outcome.lines().filter(|line| !line.contains('|'));
    let mut words = String::new();
    let (mut quoted, mut escaped) = (None, false);
    for c in lines.flat_map(str::chars) {
        match quoted {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => quoted = None,
            Some(_) => {}
            None if matches!(c, '"' | '`' | '\'') => quoted = Some(c),
            None if c.is_alphabetic() || c == ' ' => words.push(c),
            None => {}
        }
    }
    words
}

fn way(outcome: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    words(outcome).hash(&mut hasher);
    hasher.finish()
}

/// Saves an input under the name of what failed, and of its bytes.
fn save(target: &str, input: &[u8], why: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let what: Vec<String> = words(why).split_whitespace().take(6).map(str::to_lowercase).collect();
    let name = format!("{}-{:08x}", what.join("-"), hasher.finish() as u32);
    let path = corpus_of(target).join(name);
    fs::write(&path, input).expect("the input can be saved");
    path
}

/// With `FLOODWAY_FUZZ_KEEP=DIR`, the inputs that a session kept are put there, to be looked at:
/// those that are worth it are given a name and a place in the corpus.
fn keep(target: &str, pool: &[Vec<u8>]) {
    let Ok(folder) = std::env::var("FLOODWAY_FUZZ_KEEP") else { return };
    let folder = Path::new(&folder).join(target);
    fs::create_dir_all(&folder).expect("FLOODWAY_FUZZ_KEEP can be made");
    for (index, input) in pool.iter().enumerate() {
        fs::write(folder.join(format!("{index:04}")), input).expect("an input can be kept");
    }
}

/// Knows the input at hand, for where the process does not live to tell: it hangs, or is aborted.
struct Watch {
    _folder: TempDir,
    path: PathBuf,
    at: &'static AtomicU64,
}

impl Watch {
    fn start(name: &'static str) -> Watch {
        // It stays where the process is ended.
        let folder = folder();
        let path = folder.path().join(format!("fuzz-{name}"));
        println!("{name}: the input at hand is in {}", path.display());
        // One for each session of a process, which are a handful.
        let at: &'static AtomicU64 = Box::leak(Box::default());
        let shown = path.clone();
        std::thread::spawn(move || {
            let mut last = (0, Instant::now());
            loop {
                std::thread::park_timeout(Duration::from_secs(1));
                match at.load(Relaxed) {
                    u64::MAX => break,
                    now if now != last.0 => last = (now, Instant::now()),
                    _ if last.1.elapsed() > HANGS => {
                        println!("{name}: an input takes more than {HANGS:?}: {}", shown.display());
                        std::process::exit(1);
                    }
                    _ => {}
                }
            }
        });
        Watch { _folder: folder, path, at }
    }

    fn begin(&self, input: &[u8], executions: u64) {
        self.at.store(executions + 1, Relaxed);
        fs::write(&self.path, input).expect("the input at hand can be written");
    }

    fn end(&self) {
        self.at.store(u64::MAX, Relaxed);
    }
}
