//! All readers give the same lines, and so does a run that is interrupted anywhere and resumed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use proptest::prelude::*;

use super::{Input, Lines, LinesError, LinesSettings, Position, Sharing};
use crate::batch::Span;
use crate::schedule::{Schedule, Shape};
use crate::source::channel::Message;
use crate::source::{Pace, Rate, ReadSettings};

/// A line: its file, its number, and its text with the first line of the file, or why it is bad.
type Line = (Option<String>, u64, Result<(Vec<u8>, Option<String>), String>);

#[derive(Clone, Copy, Debug)]
struct Readers {
    workers: usize,
    processes: usize,
    /// The length of a chunk, if files are shared.
    chunk: Option<u64>,
}

const ONE: Readers = Readers { workers: 1, processes: 1, chunk: None };

fn settings(path: &Path, pace: &Arc<Pace>, readers: Readers) -> LinesSettings {
    LinesSettings {
        input: Input::Files { path: path.to_owned(), follow: false },
        from: None,
        sharing: match readers.chunk {
            Some(chunk) => Sharing { from: 1, chunk },
            None => Sharing { from: u64::MAX, chunk: 1 },
        },
        read: ReadSettings {
            pace: Arc::clone(pace),
            max_record: 20,
            epoch: Duration::from_secs(1_000),
            commit_every: Duration::from_secs(1_000),
            epochs_a_commit: 1,
            open_epochs: 1_000,
            first_epoch: 0,
            workers: readers.workers,
            processes: readers.processes,
            process: 0,
        },
    }
}

/// All lines with their epochs, in order, and the readers of process 0.
fn read(settings: &LinesSettings) -> Result<(Vec<(u64, Line)>, Lines), LinesError> {
    let fail = |error: LinesError| panic!("{error}: {:?}", std::error::Error::source(&error));
    let start = |process| {
        let read = ReadSettings { process, ..settings.read.clone() };
        Lines::start(LinesSettings { read, ..settings.clone() }, fail)
    };
    let processes = (0..settings.read.processes).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut workers = Vec::new();
    for lines in &processes {
        for messages in (0..settings.read.workers).filter_map(|worker| lines.worker(worker)) {
            messages.bind(Box::new(|| {}));
            let pace = Arc::clone(&settings.read.pace);
            workers.push(thread::spawn(move || {
                let mut begun = 0;
                let mut all = Vec::new();
                loop {
                    let message = match messages.next() {
                        Ok(message) => message,
                        Err(TryRecvError::Empty) => {
                            thread::yield_now();
                            continue;
                        }
                        Err(TryRecvError::Disconnected) => break,
                    };
                    match message {
                        Message::Before(epoch) => {
                            assert!(epoch >= begun, "{epoch} after {begun}");
                            begun = epoch;
                        }
                        Message::Records(epoch, records) => {
                            assert_eq!(epoch, begun);
                            if !records.batch.is_empty() {
                                let Span { first, last } = records.batch.span;
                                assert!(last <= first + 1_000_000, "more than a moment");
                                assert!(first > 0 || !pace.is_scheduled() || epoch == 0);
                            }
                            let name = |label: Option<Arc<str>>| {
                                let label = label?;
                                Path::new(&*label).file_name()?.to_str().map(str::to_owned)
                            };
                            for at in 0..records.batch.len() {
                                let label = name(records.batch.label.clone());
                                let text = records.batch.strings.get(at).to_vec();
                                let number = records.batch.numbers.get(at);
                                let header = records.batch.header.as_deref();
                                if let Some(header) = header {
                                    assert_eq!(number == 0, header.number == Some(number));
                                }
                                let header = header.map(|header| header.line.to_string());
                                all.push((epoch, (label, number, Ok((text, header)))));
                            }
                            for bad in records.bad {
                                let label = name(bad.record.label);
                                let code = Err(bad.code.to_string());
                                all.push((epoch, (label, bad.record.number.unwrap(), code)));
                            }
                        }
                    }
                }
                all
            }));
        }
    }
    let mut all: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    all.sort();
    Ok((all, processes.into_iter().next().unwrap()))
}

/// The lines of the files, computed without epochs and threads.
fn expected(files: &[(String, Vec<u8>)], is_glob: bool) -> Vec<Line> {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop_if(|last| last.is_empty());
        let judged = |line: &[u8]| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match std::str::from_utf8(line) {
                _ if line.len() > 20 => Err("too_long".to_owned()),
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err("invalid_utf8".to_owned()),
            }
        };
        let header = lines.first().and_then(|line| judged(line).ok());
        for (number, line) in lines.into_iter().enumerate() {
            let text = judged(line).map(|text| (text.into_bytes(), header.clone()));
            all.push((is_glob.then(|| name.clone()), number as u64, text));
        }
    }
    all
}

fn pack(name: &str, bytes: &[u8]) -> Vec<u8> {
    if name.ends_with(".gz") {
        // Two members, as when lines are appended to a compressed file.
        let mut packed = Vec::new();
        for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
            let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            encoder.write_all(half).unwrap();
            packed = encoder.finish().unwrap();
        }
        packed
    } else if name.ends_with(".zst") {
        let half = bytes.len() / 2;
        let frame = |bytes| zstd::encode_all(bytes, 1).unwrap();
        [frame(&bytes[..half]), frame(&bytes[half..])].concat()
    } else {
        bytes.to_vec()
    }
}

/// Reads the files, and resumes at every epoch: the lines are the same each time.
fn check(
    files: &[(String, Vec<u8>)],
    pace: &Arc<Pace>,
    readers: Readers,
    resumed: Readers,
) -> Result<(), TestCaseError> {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(place.path().join(name), pack(name, bytes)).unwrap();
    }
    let is_glob = files.len() > 1;
    let path = place.path().join(if is_glob { "*" } else { &files[0].0 });
    let (all, lines) = read(&settings(&path, pace, readers)).unwrap();
    let mut want = expected(files, is_glob);
    want.truncate(pace.end().map_or(usize::MAX, |end| end as usize));
    let mut want: Vec<_> =
        (0..).zip(want).map(|(number, line)| (pace.epoch(number).0, line)).collect();
    want.sort();
    prop_assert_eq!(&all, &want);
    let end = all.last().map_or(0, |(epoch, _)| epoch + 2);
    for epoch in 0..=end {
        let position = lines.position(epoch).unwrap().expect("the files are there");
        let json = serde_json::to_string(&position).unwrap();
        let from: Position = serde_json::from_str(&json).unwrap();
        let settings = LinesSettings { from: Some(from), ..settings(&path, pace, resumed) };
        let (rest, _) = read(&settings).unwrap();
        let later: Vec<_> = all.iter().filter(|(at, _)| *at >= epoch).cloned().collect();
        prop_assert_eq!(rest, later, "from {}", json);
    }
    Ok(())
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop::sample::select(vec!["a", "bb,c", "\u{e9}", "\r\n", "\n", "\n", "01234567", "~"]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| {
        let bytes = pieces.concat().into_bytes();
        // This byte is not text, wherever it is.
        bytes.into_iter().map(|byte| if byte == b'~' { 0xff } else { byte }).collect()
    })
}

fn files() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let compression = prop::sample::select(vec!["", "", ".gz", ".zst"]);
    prop::collection::vec((compression, contents()), 1..4).prop_map(|files| {
        let named = |(number, (compression, bytes)): (usize, (&str, Vec<u8>))| {
            (format!("file-{number}{compression}"), bytes)
        };
        files.into_iter().enumerate().map(named).collect()
    })
}

fn pace(per_epoch: u64, events: Option<u64>) -> Arc<Pace> {
    Arc::new(Pace::new(Rate::Max(per_epoch), events, None))
}

fn readers() -> impl Strategy<Value = Readers> {
    let chunk = prop::option::of(1u64..40);
    (1usize..4, 1usize..3, chunk).prop_map(|(workers, processes, chunk)| Readers {
        workers,
        processes,
        chunk,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_run_that_is_resumed_at_any_epoch_gives_the_same_lines(
        files in files(),
        per_epoch in 1u64..9,
        events in prop::option::of(0u64..60),
        one in readers(),
        other in readers(),
    ) {
        check(&files, &pace(per_epoch, events), one, other)?;
    }

    #[test]
    fn shared_chunks_are_the_same_lines_as_one_reader(
        contents in prop::collection::vec(contents(), 1..4),
        chunk in 1u64..200,
        (workers, processes) in (1usize..5, 1usize..3),
    ) {
        let name = |number| format!("file-{number}");
        let files = contents.into_iter().enumerate().map(|(n, bytes)| (name(n), bytes));
        let files: Vec<_> = files.collect();
        let shared = Readers { workers, processes, chunk: Some(chunk) };
        check(&files, &pace(4, None), shared, shared)?;
        let schedule = Schedule::new(Shape::Constant, 5_000.0, 5_000.0, 0).unwrap();
        let rate = Rate::Scheduled(Arc::new(schedule), Duration::from_millis(1));
        check(&files, &Arc::new(Pace::new(rate, None, None)), shared, ONE)?;
    }
}

/// The epochs of a followed file are numbered in order, also across runs. A line without a line break is read when it
/// has one.
#[test]
fn a_followed_file_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    fs::write(&path, b"a\nb\nc\npart").unwrap();
    let followed = |events, from| {
        let mut settings = settings(&path, &pace(2, Some(events)), ONE);
        settings.input = Input::Files { path: path.to_owned(), follow: true };
        LinesSettings { from, ..settings }
    };
    let texts = |lines: Vec<(u64, Line)>| {
        let text = |(epoch, (_, number, text)): (u64, Line)| {
            let (text, header) = text.unwrap();
            assert_eq!(header.as_deref(), Some("a"));
            (epoch, number, String::from_utf8(text).unwrap())
        };
        lines.into_iter().map(text).collect::<Vec<_>>()
    };
    let line = |epoch, number, text: &str| (epoch, number, text.to_owned());
    let (first, lines) = read(&followed(3, None)).unwrap();
    assert_eq!(texts(first), [line(0, 0, "a"), line(0, 1, "b"), line(1, 2, "c")]);
    fs::write(&path, b"a\nb\nc\npartial\nd\ne\n").unwrap();
    let one = lines.position(1).unwrap().unwrap();
    assert_eq!((one.lines, one.files[0].bytes), (2, 4));
    let (rest, _) = read(&followed(5, Some(one))).unwrap();
    assert_eq!(texts(rest), [line(1, 2, "c"), line(1, 3, "partial"), line(2, 4, "d")]);
    let (rest, _) = read(&followed(6, lines.position(2).unwrap())).unwrap();
    assert_eq!(texts(rest), [line(2, 3, "partial"), line(2, 4, "d"), line(3, 5, "e")]);
}

/// Lines that are added after their epoch was committed go into the next epoch.
#[test]
fn a_file_that_grew_in_the_middle_of_an_epoch_goes_on_in_the_next() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    fs::write(&path, b"a\nb\nc\n").unwrap();
    let (_, lines) = read(&settings(&path, &pace(2, None), ONE)).unwrap();
    let from = lines.position(2).unwrap();
    fs::write(&path, b"a\nb\nc\nd\ne\nf\ng\n").unwrap();
    let settings = LinesSettings { from, ..settings(&path, &pace(2, None), ONE) };
    let epochs: Vec<_> =
        read(&settings).unwrap().0.into_iter().map(|(at, (_, n, _))| (at, n)).collect();
    assert_eq!(epochs, [(2, 3), (2, 4), (2, 5), (3, 6)]);
}

/// The process may end only after the last epoch would have been committed.
#[test]
fn a_read_error_does_not_end_the_last_epoch() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cut.gz");
    let packed = pack("cut.gz", &b"line\n".repeat(1_000));
    fs::write(&path, &packed[..packed.len() - 4]).unwrap();
    let (sender, failed) = std::sync::mpsc::channel();
    let fail = move |error: LinesError| sender.send(error.to_string()).unwrap();
    let lines = Lines::start(settings(&path, &pace(100, None), ONE), fail).unwrap();
    let messages = lines.worker(0).unwrap();
    messages.bind(Box::new(|| {}));
    let mut seen = 0;
    let error = loop {
        seen += usize::from(messages.next().is_ok());
        if let Ok(error) = failed.try_recv() {
            break error;
        }
        thread::yield_now();
    };
    assert!(error.contains("cut.gz"), "{error}");
    let end = loop {
        match messages.next() {
            Ok(_) => seen += 1,
            Err(end) => break end,
        }
    };
    assert!(seen > 0);
    assert_eq!(end, TryRecvError::Empty, "it ended");
}
