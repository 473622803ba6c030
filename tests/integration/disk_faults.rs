//! Trouble with the real disk under the real command: it ends with 1 and one line that says what is
//! wrong, what was committed is whole, and once that is mended the same command goes on to the output
//! of a run that nothing happened to.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{Place, end_of, error_of, parts, poll, within_tries};
use floodway::sink::Manifest;

/// Some 14 MB of lines in 24 commits.
const INPUT: [&str; 8] =
    ["--rate", "60k", "--duration", "1200ms", "--epoch", "10ms", "--commit-every", "50ms"];

/// `run` with this input to `sink`, which can be gone on with.
fn run<'a>(sink: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--sink", sink, "--state", "state"], &INPUT[..], more].concat()
}

/// The output of a run that nothing happens to.
fn expected(place: &Place) -> Vec<u8> {
    place.run_well(&[&["run", "--out", "expected"], &INPUT[..]].concat());
    place.output("expected")
}

/// Waits until something is committed.
fn committed(place: &Place) {
    poll("a commit", || {
        let manifest = Manifest::read(&place.path("out")).ok()?;
        (manifest.commits.len() >= 3).then_some(())
    });
}

/// It ended with 1, and said this.
fn check_error(output: &Output, said: &[&str]) {
    let error = error_of(output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    // A run that takes long says how far it is.
    let errors: Vec<_> = error.lines().filter(|line| line.starts_with("floodway: ")).collect();
    assert_eq!(errors.len(), 1, "{error}");
    assert!(said.iter().all(|what| error.contains(what)), "{said:?}: {error}");
}

/// What is committed in a folder: events from the first on, none left out, none twice. Answers how
/// many.
fn check_committed(dir: &Path) -> u64 {
    let manifest = Manifest::read(dir).unwrap();
    let mut numbers = Vec::new();
    for file in manifest.files() {
        let paths = [&file.temporary, &file.name].map(|name| dir.join(name));
        let path = paths.iter().find(|path| path.exists()).expect("a committed file is there");
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.len() as u64, file.bytes, "{}", path.display());
        let number = |line: &str| line.split('\t').next().unwrap().parse::<u64>().unwrap();
        numbers.extend(text.lines().map(number));
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..manifest.records()));
    manifest.records()
}

/// Something is committed, and not all.
fn check_partial(dir: &Path) {
    let records = check_committed(dir);
    assert!((1..72_000).contains(&records), "{records} are committed");
}

/// The same command goes on.
fn check_resumed(place: &Place, args: &[&str], expected: &[u8]) {
    let output = place.run(args);
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.output("out") == expected);
    assert_eq!(check_committed(&place.path("out")), 72_000);
}

/// In `sh`, as the file of a test that is run where it may mount.
const SMALL_DISK: &str = r#"
mkdir small && mount -t tmpfs -o size=5m none small || exit 77
"$@"
echo $? > code
cp -a small/out out
mount -o remount,size=100m small || exit 78
"$@" || exit 79
cp -a small/out resumed
"#;

#[test]
fn a_run_on_a_full_disk_ends_with_an_error_and_resumes() {
    let place = Place::new();
    let expected = expected(&place);
    for packed in ["", "?compress=zstd"] {
        for name in ["out", "resumed", "state", "small", "code"] {
            let _ = fs::remove_dir_all(place.path(name));
        }
        let size = if packed.is_empty() { "size=5m" } else { "size=1m" };
        let script = SMALL_DISK.replace("size=5m", size);
        let mut command = Command::new("unshare");
        let sink = format!("files:small/out{packed}");
        command.args(["-rm", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_floodway")]);
        command.args(run(&sink, &[])).current_dir(place.path(""));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let output = child.map(|child| end_of(child, "the script"));
        if !output
            .as_ref()
            .is_ok_and(|output| output.status.code() != Some(77) && place.path("code").exists())
        {
            // No installed tool could change that: it is for the system to allow.
            return parts::not_run(&format!("to mount a small file system: {output:?}"));
        }
        let output = output.unwrap();
        let error = error_of(&output);
        assert!(output.status.success(), "{}: {error}", output.status);
        assert_eq!(fs::read_to_string(place.path("code")).unwrap().trim(), "1", "{error}");
        assert!(error.contains("make room on the disk and start again"), "{error}");
        if packed.is_empty() {
            check_partial(&place.path("out"));
            assert_eq!(check_committed(&place.path("resumed")), 72_000);
        }
        assert!(place.output("resumed") == expected);
    }
}

#[test]
fn a_run_at_the_file_size_limit_ends_with_an_error_and_resumes() {
    let place = Place::new();
    // Small files at first.
    let rates = ["--shape", "step", "--peak-rate", "110k", "--period", "600ms"];
    let input = ["run", "--rate", "10k", "--duration", "1200ms", "--epoch", "10ms"];
    let all = |output: &[&'static str]| {
        [&input[..], &rates, &["--commit-every", "50ms"], output].concat()
    };
    place.run_well(&all(&["--out", "expected"]));
    let args = all(&["--out", "out", "--state", "state"]);
    let mut command = Command::new("sh");
    // 500 blocks of 512 bytes, or, for some shells, 1,024.
    command.args(["-c", r#"ulimit -f 500 && exec "$@""#, "sh", env!("CARGO_BIN_EXE_floodway")]);
    command.args(&args).current_dir(place.path(""));
    let output = end_of(crate::common::start(command), "the run");
    check_error(&output, &["cannot write to", "ulimit -f"]);
    check_partial(&place.path("out"));
    check_resumed(&place, &args, &place.output("expected"));
}

#[test]
fn a_run_whose_output_folder_is_moved_or_replaced_ends_with_an_error() {
    let place = Place::new();
    let expected = expected(&place);
    for sink in ["files:out", "files:out?sync=none"] {
        for is_replaced in [false, true] {
            for name in ["out", "state"] {
                let _ = fs::remove_dir_all(place.path(name));
            }
            let child = place.start(&run(sink, &[]));
            committed(&place);
            fs::rename(place.path("out"), place.path("elsewhere")).unwrap();
            if is_replaced {
                fs::create_dir(place.path("out")).unwrap();
            }
            check_error(&end_of(child, "the run"), &["out", "was it removed?"]);
            check_partial(&place.path("elsewhere"));
            let _ = fs::remove_dir_all(place.path("out"));
            fs::rename(place.path("elsewhere"), place.path("out")).unwrap();
            check_resumed(&place, &run(sink, &[]), &expected);
        }
    }
}

#[test]
fn a_run_whose_output_folder_is_removed_ends_with_an_error() {
    let place = Place::new();
    let expected = expected(&place);
    let child = place.start(&run("files:out", &[]));
    committed(&place);
    // A file may be made while it is removed.
    poll("no folder", || {
        let _ = fs::remove_dir_all(place.path("out"));
        (!place.path("out").exists()).then_some(())
    });
    check_error(&end_of(child, "the run"), &["out", "was it removed?"]);
    assert!(!place.path("out").exists());
    // Nothing is committed any more: it begins anew.
    check_resumed(&place, &run("files:out", &[]), &expected);
}

#[test]
fn a_run_that_loses_write_permission_ends_with_an_error_and_resumes() {
    let place = Place::new();
    let expected = expected(&place);
    let everybody = |name: &str, mode| {
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    everybody("", 0o777);
    fs::copy(env!("CARGO_BIN_EXE_floodway"), place.path("floodway")).unwrap();
    let args = run("files:out", &[]);
    let start = || {
        let mut command = Command::new(place.path("floodway"));
        command.args(&args).current_dir(place.path("")).stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            // Permissions are nothing to root: it is somebody else's run.
            command.uid(65_534).gid(65_534);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let child = match start() {
        Ok(child) => child,
        Err(error) => {
            return parts::not_run(&format!("to start a process as another user: {error}"));
        }
    };
    committed(&place);
    everybody("out", 0o555);
    check_error(&end_of(child, "the run"), &["out", "is it yours to write?"]);
    check_partial(&place.path("out"));
    everybody("out", 0o755);
    let output = end_of(start().unwrap(), "the same command");
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.output("out") == expected);
}

#[test]
fn a_run_whose_file_name_is_taken_ends_with_an_error() {
    // On a busy machine the run may have come to a name first, or have no commit left.
    let (place, output, taken) = within_tries("a name that is taken in time", || {
        let place = Place::new();
        let child = place.start(&run("files:out", &[]));
        committed(&place);
        let next = Manifest::read(&place.path("out")).unwrap().commits.len() + 2;
        let taken = (next..next + 24).map(|commit| format!("out/part-{commit:06}-000-000"));
        let taken: Vec<_> = taken.collect();
        let take = |name: &String| File::create_new(place.path(name))?.write_all(b"mine\n");
        let are_taken = taken.iter().rev().try_for_each(take);
        let output = end_of(child, "the run");
        match (are_taken, output.status.code()) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(()), Some(0)) => Err(error_of(&output)),
            (Ok(()), _) => Ok((place, output, taken)),
        }
    });
    let expected = expected(&place);
    let args = run("files:out", &[]);
    let said = ["rename a committed file to out/part-", "move that file away"];
    check_error(&output, &said);
    check_partial(&place.path("out"));
    // It is nobody's to replace, not when the run is gone on with either.
    check_error(&place.run(&args), &said);
    for name in taken {
        assert_eq!(fs::read_to_string(place.path(&name)).unwrap(), "mine\n");
        fs::remove_file(place.path(&name)).unwrap();
    }
    check_resumed(&place, &args, &expected);
}
