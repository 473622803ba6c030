//! A disk that fails at any one call: the run ends with an error, what was committed is whole, and
//! gone on with, it ends with the output of a run that nothing happened to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::epochs::{EPOCHS, GROUP, Way, committed, whole};
use floodway::internal::sink::{Call, Disk, Fault, resume_on};
use floodway::sink::{self, Compression, Files, Manifest, Settings, SinkError};
use rustix::io::Errno;
use tempfile::TempDir;

const WORKERS: u64 = 2;

/// A folder in memory, where there is one: nothing here needs a disk to be slow.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A run of all that is not committed yet.
fn run(place: &Path, disk: Disk, compression: Compression) -> Result<(), SinkError> {
    let dir = place.join("output/out");
    let resumed = resume_on(&disk, &dir, "id", false)?;
    let files = Files { roll_bytes: 400, compression, ..Files::new(dir) };
    let settings = Settings {
        epochs_a_group: GROUP,
        dead_letter: Some(place.join("dead.jsonl")),
        resumed: resumed.map(Arc::new),
        id: "id".to_owned(),
        disk,
        ..Settings::new(files, WORKERS as usize, 0)
    };
    crate::epochs::write(timely::Config::process(WORKERS as usize), settings, Way::default())
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// One call fails, and the same call once more would not.
    Once,
    /// A write takes half, and from then on the disk is full.
    Full,
}

/// What a disk was asked for, in order.
type Calls = Arc<Mutex<Vec<(Call, PathBuf)>>>;

/// One with this trouble at call number `at`.
fn failing(at: usize, trouble: Trouble) -> (Disk, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let disk = Disk::failing(Arc::new(move |call, path| {
        let mut seen = seen.lock().unwrap();
        let number = seen.len();
        seen.push((call, path.to_path_buf()));
        match (trouble, call) {
            (Trouble::Once, _) if number == at => Some(Fault::Error(Errno::IO.into())),
            (Trouble::Full, Call::Write(bytes)) if number == at => Some(Fault::Short(bytes / 2)),
            (Trouble::Full, Call::Write(_) | Call::Create | Call::MakeFolder) if number >= at => {
                Some(Fault::Error(Errno::NOSPC.into()))
            }
            _ => None,
        }
    }));
    (disk, calls)
}

/// The sorted lines of the dead letters.
fn dead(place: &Path) -> Vec<String> {
    let text = fs::read_to_string(place.join("dead.jsonl")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What is committed is whole epochs.
fn check_committed(place: &Path, said: &str) {
    let dir = place.join("output/out");
    let manifest = Manifest::read(&dir).unwrap();
    let last = manifest.commits.last().map(|commit| commit.up_to_epoch);
    assert_eq!(committed(&dir, &manifest), whole(WORKERS, last), "{said}");
}

/// All of it is there, once.
fn check_complete(place: &Path, expected: &[String], said: &str) {
    check_committed(place, said);
    let dir = place.join("output/out");
    let lines = crate::common::sorted_output(&dir);
    let lines = lines.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, whole(WORKERS, Some(EPOCHS)).len(), "{said}");
    assert_eq!(dead(place), expected, "{said}");
    let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
    let stray: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(stray.is_empty(), "{stray:?}, {said}");
}

/// Fails at every call of a run that begins as `before` leaves its place, and goes on after each.
fn fail_everywhere(expected: &[String], before: impl Fn(&Path)) -> BTreeMap<String, usize> {
    let mut failed: BTreeMap<String, usize> = BTreeMap::new();
    for trouble in [Trouble::Once, Trouble::Full] {
        for at in 0.. {
            let place = folder();
            let place = place.path();
            before(place);
            let (disk, calls) = failing(at, trouble);
            let packed = if at % 2 == 0 { Compression::None } else { Compression::Zstd };
            let result = run(place, disk, packed);
            let calls = calls.lock().unwrap();
            if calls.len() <= at {
                result.unwrap();
                check_complete(place, expected, "undisturbed");
                break;
            }
            let (call, path) = &calls[at];
            let said = format!("{trouble:?} at call {at}, {call:?} of {}", path.display());
            match result {
                Ok(()) => assert_eq!(trouble, Trouble::Full, "{said}: no error"),
                Err(error) => {
                    let name = format!("{call:?}");
                    let name = name.split('(').next().unwrap();
                    *failed.entry(format!("{name} {trouble:?}")).or_default() += 1;
                    let text = error.to_string();
                    assert!(text.starts_with("cannot "), "{said}: {text}");
                    let full = matches!(&error, SinkError::Io { source, .. }
                        if source.kind() == io::ErrorKind::StorageFull);
                    assert_eq!(full, trouble == Trouble::Full, "{said}: {text}");
                    assert!(!full || text.contains("make room on the disk"), "{said}: {text}");
                }
            }
            check_committed(place, &said);
            run(place, Disk::default(), Compression::None)
                .unwrap_or_else(|error| panic!("{said}, and then {error}"));
            check_complete(place, expected, &said);
        }
    }
    failed
}

fn expected() -> Vec<String> {
    let place = folder();
    run(place.path(), Disk::default(), Compression::None).unwrap();
    let expected = dead(place.path());
    assert_eq!(expected.len() as u64, EPOCHS * WORKERS);
    expected
}

#[test]
fn a_run_can_be_resumed_whichever_disk_call_failed() {
    let failed = fail_everywhere(&expected(), |_| {});
    let kinds = [
        "MakeFolder",
        "Create",
        "Open",
        "Write",
        "SetLength",
        "Sync",
        "SyncFolder",
        "Rename",
        "Remove",
    ];
    for kind in kinds {
        assert!(failed.contains_key(&format!("{kind} Once")), "{kind} is not in {failed:?}");
    }
    assert!(failed.contains_key("Write Full") && failed.contains_key("Create Full"), "{failed:?}");
}

/// The run before was ended after a commit and before what follows it.
#[test]
fn a_resume_can_be_repeated_whichever_disk_call_failed() {
    let failed = fail_everywhere(&expected(), |place| {
        let disk = Disk::failing(Arc::new(|call, _| {
            (call == Call::Rename).then(|| Fault::Error(Errno::IO.into()))
        }));
        run(place, disk, Compression::Zstd).unwrap_err();
        assert_eq!(Manifest::read(&place.join("output/out")).unwrap().commits.len(), 1);
    });
    assert!(failed.contains_key("Rename Once"), "{failed:?}");
}

#[test]
fn short_and_interrupted_writes_lose_nothing() {
    for packed in [Compression::None, Compression::Zstd] {
        let place = folder();
        let calls = Mutex::new(0_usize);
        let disk = Disk::failing(Arc::new(move |call, _| {
            let Call::Write(bytes) = call else { return None };
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            match *calls % 3 {
                0 => Some(Fault::Short(bytes.div_ceil(3))),
                1 => Some(Fault::Error(Errno::INTR.into())),
                _ => None,
            }
        }));
        run(place.path(), disk, packed).unwrap();
        check_complete(place.path(), &expected(), "short and interrupted writes");
    }
}

/// The system says once that a file could not be written back. A file is synced early, and again
/// when its group is committed: the second time all would be well.
#[test]
fn a_failed_sync_is_not_repeated() {
    let place = folder();
    let syncs = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&syncs);
    let disk = Disk::failing(Arc::new(move |call, path| {
        let is_part = path.file_name().unwrap().to_string_lossy().starts_with(".part-");
        (call == Call::Sync && is_part).then_some(())?;
        let mut syncs = seen.lock().unwrap();
        *syncs += 1;
        (*syncs == 1).then(|| Fault::Error(Errno::IO.into()))
    }));
    let dir = place.path().join("out");
    sink::prepare(&dir, false).unwrap();
    let files = Files { direct: false, ..Files::new(&dir) };
    let settings = Settings { epochs_a_group: EPOCHS, disk, ..Settings::new(files, 1, 0) };
    // 24 MB: after 16 the syncer begins.
    let way = Way { pad: 100 << 10, ..Way::default() };
    let error = crate::epochs::write(timely::Config::thread(), settings, way).unwrap_err();
    assert!(error.to_string().contains("cannot sync"), "{error}");
    assert!(Manifest::read(&dir).unwrap().commits.is_empty());
    assert_eq!(*syncs.lock().unwrap(), 1);
}
