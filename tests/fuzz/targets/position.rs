//! How far lines had been read: what a commit remembers, held against the files that are there.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floodway::source::{
    Input, Lines, LinesError, LinesSettings, Pace, Position, Rate, ReadSettings, Sharing,
};

use super::folder;
use crate::engine::{Target, panic_elsewhere};

/// The files, in a folder that an input calls `DIR`: two plain ones, and a packed one that is none.
const FILES: [(&str, &[u8]); 3] = [
    ("a.log", b"one\ntwo\nthree\n"),
    ("b.log", b"four\nfive\nand no end"),
    ("c.log.gz", b"\x1f\x8bpacked"),
];

pub fn target() -> Target {
    let words = [
        "\"epoch\":",
        "\"lines\":",
        "\"files\":[",
        "\"path\":\"DIR/a.log\"",
        "\"path\":\"DIR/b.log\"",
        "\"path\":\"DIR/c.log.gz\"",
        "\"bytes\":",
        "\"size\":",
        "\"head\":",
        "\"tail\":",
        "DIR/",
        "/",
        "..",
    ];
    let place = folder();
    for (name, bytes) in FILES {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    let check = move |bytes: &[u8]| check(place.path(), bytes);
    Target::json("position", &words, check)
}

fn check(dir: &Path, bytes: &[u8]) -> String {
    let dir = dir.to_string_lossy().into_owned();
    let text = String::from_utf8_lossy(bytes).replace("DIR", &dir);
    let position: Position = match serde_json::from_str(&text) {
        Ok(position) => position,
        Err(error) => return error.to_string(),
    };
    let printed = serde_json::to_string(&position).unwrap();
    assert_eq!(serde_json::from_str::<Position>(&printed).unwrap(), position);
    let outcomes = [1, u64::MAX].map(|from| gone_on(&dir, &position, from));
    // A reader's thread may be later than its input: it tells of this one, or of the one before.
    if let Some(panic) = panic_elsewhere() {
        panic!("{panic}");
    }
    outcomes.join(" / ").replace(&dir, "")
}

/// Opens the files to go on from the position; `from` bytes in all are shared by the workers.
fn gone_on(dir: &str, position: &Position, from: u64) -> String {
    let settings = LinesSettings {
        input: Input::Files { path: format!("{dir}/*.log").into(), follow: false },
        from: Some(position.clone()),
        sharing: Sharing { from, chunk: 8 },
        read: ReadSettings {
            pace: Arc::new(Pace::new(Rate::Max(4), None, None)),
            max_record: 100,
            epoch: Duration::from_millis(100),
            commit_every: Duration::from_secs(1),
            epochs_a_commit: 1,
            open_epochs: 4,
            first_epoch: position.epoch,
            workers: 2,
            processes: 1,
            process: 0,
        },
    };
    match Lines::start(settings, |_| {}) {
        Ok(_) => {
            let read: u64 = position.files.iter().map(|file| file.lines).sum();
            assert_eq!(position.lines, read, "other lines than were read");
            for (file, (name, bytes)) in position.files.iter().zip(FILES) {
                let is_it = Path::new(&file.path).ends_with(name);
                assert!(is_it && file.bytes <= bytes.len() as u64, "{file:?}");
            }
            format!("goes on in file {}", "x".repeat(position.files.len()))
        }
        // Without the paths, which may be any.
        Err(LinesError::Changed { why, .. }) => why.split(" before ").take(1).collect(),
        Err(LinesError::Read { source, .. }) => source.to_string(),
        Err(error) => error.to_string().split(" bytes of ").take(1).collect(),
    }
}
