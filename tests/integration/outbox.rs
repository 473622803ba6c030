//! An output that is an outbox: its committed lines are published, each once and in order, whatever the
//! other side does and wherever a run ends. `tests/external/kafka` does so with a real other side.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use floodway::sink::{
    CommittedState, Files, Manifest, Publish, PublishError, Settings, SinkError, prepare,
    resume_outbox,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// What was published: it outlives runs.
#[derive(Default)]
struct Topic {
    lines: Vec<u8>,
    taken: u64,
}

/// How often each fault happens, of a thousand times.
#[derive(Clone, Copy)]
struct Faults {
    /// Nothing was taken.
    refused: u32,
    /// It was taken, and that was not said.
    unsaid: u32,
    /// The run ends, whether it was taken or not.
    ends: u32,
}

/// One who publishes to it.
struct ToTopic {
    topic: Arc<Mutex<Topic>>,
    faults: Faults,
    random: SmallRng,
}

impl ToTopic {
    fn happens(&mut self, of_thousand: u32) -> bool {
        self.random.random_range(0..1_000) < of_thousand
    }
}

impl Publish for ToTopic {
    fn name(&self) -> String {
        "the topic".to_owned()
    }

    fn taken(&mut self) -> Result<u64, PublishError> {
        Ok(self.topic.lock().unwrap().taken)
    }

    fn publish(&mut self, lines: &[u8], up_to: u64) -> Result<(), PublishError> {
        assert_eq!(lines.last(), Some(&b'\n'));
        if self.happens(self.faults.refused) {
            return Err(PublishError::Transient("not now".to_owned()));
        }
        let ends = self.happens(self.faults.ends);
        if !ends || self.happens(500) {
            let mut topic = self.topic.lock().unwrap();
            topic.taken += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(topic.taken, up_to);
            topic.lines.extend_from_slice(lines);
        }
        if ends {
            return Err(PublishError::Permanent("the end".into()));
        }
        match self.happens(self.faults.unsaid) {
            true => Err(PublishError::Transient("what?".to_owned())),
            false => Ok(()),
        }
    }
}

fn run(
    dir: &Path,
    topic: &Arc<Mutex<Topic>>,
    faults: Faults,
    resumed: Option<CommittedState>,
    (seed, pad): (u64, usize),
) -> Result<(), SinkError> {
    let settings = Settings {
        epochs_a_group: 1,
        id: "outbox".to_owned(),
        resumed: resumed.map(Arc::new),
        ..Settings::new(Files::new(dir), 2, 0)
    };
    let to = ToTopic { topic: Arc::clone(topic), faults, random: SmallRng::seed_from_u64(seed) };
    let publish: Box<dyn Publish> = Box::new(to);
    let publish = Some(Arc::new(Mutex::new(Some(publish))));
    let way = crate::epochs::Way { publish, pad, ..Default::default() };
    crate::epochs::write(timely::Config::process(2), settings, way)
}

/// The numbers that lines begin with, in order.
fn numbers(lines: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(lines).unwrap();
    let number = |line: &str| line.split('\t').next().unwrap().parse().unwrap();
    let mut numbers: Vec<u64> = text.lines().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn each_line_is_published_once_wherever_a_run_is_killed() {
    for seed in 0..20 {
        // Some commits are more than is published at once.
        let pad = if seed % 7 == 6 { 120_000 } else { 0 };
        let place = tempfile::tempdir().unwrap();
        let (dir, topic) = (place.path().join("outbox"), Arc::default());
        prepare(&dir, false).unwrap();
        let mut resumed = None;
        let mut runs = 0;
        loop {
            runs += 1;
            // In the end it has to go well.
            let ends = if runs < 30 { 150 } else { 0 };
            let faults = Faults { refused: 100, unsaid: 100, ends };
            match run(&dir, &topic, faults, resumed.take(), (1_000 * seed + runs, pad)) {
                Ok(()) => break,
                Err(error) => assert!(matches!(error, SinkError::Publish { .. }), "{error}"),
            }
            resumed = resume_outbox(&dir, "outbox").unwrap();
        }
        let topic = topic.lock().unwrap();
        assert_eq!(
            numbers(&topic.lines),
            crate::epochs::whole(2, Some(crate::epochs::EPOCHS - 1)),
            "seed {seed}, {runs} runs"
        );
        // Nothing is left but the newest commit's.
        let manifest = Manifest::read(&dir).unwrap();
        let newest = manifest.commits.iter().rev().find(|commit| !commit.files.is_empty()).unwrap();
        let mut left: Vec<String> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("part-"))
            .collect();
        left.sort_unstable();
        let names: Vec<&str> = newest.files.iter().map(|file| &*file.name).collect();
        assert!(names.iter().all(|name| left.iter().any(|left| left == name)), "{left:?}");
        assert!(left.len() <= 2 * names.len() + 2, "{left:?}");
    }
}

#[test]
fn a_system_with_more_lines_than_were_committed_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("outbox");
    prepare(&dir, false).unwrap();
    let topic = Arc::new(Mutex::new(Topic { lines: Vec::new(), taken: 7 }));
    let none = Faults { refused: 0, unsaid: 0, ends: 0 };
    let error = run(&dir, &topic, none, None, (0, 0)).unwrap_err();
    assert!(matches!(error, SinkError::Outrun { taken: 7, has: 0, .. }), "{error}");
}
