//! `docs/architecture.md` has tables of who may use whom: the code is held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use crate::common::files_in;

type Names = BTreeSet<String>;

/// The crate that only some modules may use.
const TIMELY: &str = "timely";

/// What a row of the tables says that a module uses.
enum Uses {
    /// These modules, and the small ones.
    Only(Names),
    /// All but these.
    AllBut(Names),
    /// The module is a small one: others of these.
    Small,
}

/// The names between backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// What the tables of `docs/architecture.md` say of each module.
fn tables(text: &str) -> BTreeMap<String, Uses> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut tables = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [modules, _, uses @ ..] = &cells[..] else { continue };
        for module in quoted(modules) {
            let uses = match uses {
                [] => Uses::Small,
                [all, ..] if all.starts_with("all") => Uses::AllBut(quoted(all).collect()),
                [some, ..] => {
                    let timely = some.contains(TIMELY).then(|| TIMELY.to_owned());
                    Uses::Only(quoted(some).chain(timely).collect())
                }
            };
            tables.insert(module, uses);
        }
    }
    tables
}

/// What code names after `crate::`, outside of comments and unit tests; and timely, if it is named.
fn used(code: &str) -> Names {
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let is_in_name = |c: char| c.is_alphanumeric() || c == '_';
    let after = code.split("crate::").skip(1);
    let mut used: Names =
        after.map(|text| text.chars().take_while(|c| is_in_name(*c)).collect()).collect();
    let is_a_path = |at: usize| !code[..at].ends_with(|c| is_in_name(c) || c == ':');
    if code.match_indices("timely::").any(|(at, _)| is_a_path(at)) {
        used.insert(TIMELY.to_owned());
    }
    used
}

/// Removes modules that use none of the others until none is left but those that use each other in a circle.
fn cycles(mut modules: BTreeMap<String, Names>) -> Vec<String> {
    loop {
        let names: Names = modules.keys().cloned().collect();
        let before = modules.len();
        modules
            .retain(|module, used| used.iter().any(|name| name != module && names.contains(name)));
        if modules.len() == before {
            return names.into_iter().collect();
        }
    }
}

#[test]
fn modules_use_exactly_what_the_architecture_says() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let tables = tables(&fs::read_to_string(root.join("docs/architecture.md")).unwrap());
    let mut modules: BTreeMap<String, Names> = BTreeMap::new();
    let folder = root.join("src");
    for file in &files_in(&folder, "rs") {
        let code = fs::read_to_string(file).unwrap();
        assert!(!code.contains("use crate::{"), "{}: one `use` a module", file.display());
        let path = file.strip_prefix(&folder).unwrap().to_str().unwrap();
        let module = path.split(['/', '.']).next().unwrap().to_owned();
        modules.entry(module).or_default().extend(used(&code));
    }
    modules.retain(|module, _| module != "lib" && module != "main");

    let is_large = |name: &String| {
        name == TIMELY || modules.contains_key(name) && !matches!(tables[name], Uses::Small)
    };
    let without_row: Vec<_> = modules.keys().filter(|name| !tables.contains_key(*name)).collect();
    assert!(without_row.is_empty(), "docs/architecture.md has no row for {without_row:?}");
    let mut wrong = Vec::new();
    for (module, used) in &modules {
        let large: Names =
            used.iter().filter(|name| *name != module && is_large(name)).cloned().collect();
        let (unsaid, unused): (Names, Names) = match &tables[module] {
            Uses::Small => (large, Names::new()),
            Uses::AllBut(not) => (&large & not, Names::new()),
            Uses::Only(said) => {
                let said = said.iter().filter(|name| is_large(name)).cloned().collect();
                (&large - &said, said.difference(&large).cloned().collect())
            }
        };
        wrong.extend(
            unsaid.iter().map(|name| format!("`{module}` uses `{name}`: its row does not say so")),
        );
        wrong.extend(
            unused.iter().map(|name| format!("`{module}` does not use `{name}`: its row says so")),
        );
    }
    assert!(wrong.is_empty(), "docs/architecture.md is wrong, or the code:\n{}", wrong.join("\n"));
    assert_eq!(cycles(modules), Vec::<String>::new(), "modules use each other in a circle");
}

/// Folders and files of `src` of which all code runs on workers' threads, or could.
const OF_WORKERS: &[&str] = &[
    "batch",
    "operators",
    "policy",
    "scheduler",
    "query",
    "task",
    "nexmark",
    "schedule",
    "clock.rs",
    "counters.rs",
    "source/events.rs",
    "source/flow_control.rs",
    "source/nexmark.rs",
    "source/pace.rs",
    "source/source_batch.rs",
    "source/stream.rs",
    "merge",
    "window",
    "stateful/event_time.rs",
    "stateful/keyed.rs",
    "stateful/keyed_state.rs",
    "stateful/state_log.rs",
    "stateful/stream.rs",
    "sink/commit.rs",
    "sink/format.rs",
    "bridge/in_flight.rs",
    "bridge/local_load.rs",
    "bridge/offer.rs",
    "bridge/pending_ranges.rs",
    "bridge/remote_task.rs",
    "bridge/reply.rs",
    "bridge/task_channel.rs",
    "bridge/work_item.rs",
    "observe/atomic_histogram.rs",
    "observe/counts.rs",
    "observe/latency.rs",
    "observe/live_histograms.rs",
    "observe/on_time.rs",
    "observe/time_slots.rs",
    "observe/waits.rs",
    "observe/worker_stats.rs",
    "pipeline/control.rs",
    "pipeline/frontiers.rs",
    "pipeline/metrics_observer.rs",
    "pipeline/step_timer.rs",
    "pipeline/worker.rs",
];

/// What blocks a thread: files, sockets, processes, sleeping, parking, and waiting for a channel, a thread, a condition
/// or a future. `tokio::sync` blocks no thread.
const BLOCKING: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "fs::",
    "net::",
    "rustix",
    "thread::",
    "tokio::fs",
    "tokio::io",
    "tokio::net",
    "tokio::process",
    "tokio::runtime",
    "tokio::task",
    "tokio::time",
    "block_on",
    "blocking_",
    "Condvar",
    ".join()",
    ".recv()",
    ".recv_timeout(",
    ".recv_deadline(",
    ".wait(",
    ".wait_timeout(",
    ".wait_while(",
];

/// Law 2. What workers share with other threads is behind locks that are held for a few instructions.
#[test]
fn code_of_workers_names_nothing_that_blocks() {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap()).join("src");
    let mut wrong = Vec::new();
    for path in OF_WORKERS.iter().map(|path| folder.join(path)) {
        let files = if path.is_dir() { files_in(&path, "rs") } else { vec![path] };
        // Files of this name are tests.
        for file in files.iter().filter(|file| !file.ends_with("interleavings.rs")) {
            let code = fs::read_to_string(file).unwrap();
            let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let blocks = lines.filter(|line| BLOCKING.iter().any(|name| line.contains(name)));
            wrong.extend(blocks.map(|line| format!("{}: {}", file.display(), line.trim())));
        }
    }
    assert!(wrong.is_empty(), "this may block a worker:\n{}", wrong.join("\n"));
}
