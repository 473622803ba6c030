//! A disk that is full in the middle of a run and has room later.

use std::fs;
use std::process::Command;

use super::pair::Pair;
use super::scenarios::TWO;
use crate::common::{end_of, error_of, parts, start};

/// Mounts a small file system, runs a command on it, makes the file system larger, and runs the command again.
const SCRIPT: &str = r#"
mkdir disk && mount -t tmpfs -o size="$1" none disk || exit 77
shift
"$@"
echo $? > code
cp -a disk/out committed
mount -o remount,size=100m disk || exit 77
"$@" || exit 78
cp -a disk/out out
"#;

/// The output's disk is full in the middle of the run. The same command resumes once the disk has room.
pub fn filled(pair: &mut Pair<'_>) -> usize {
    let [on_disk, committed] =
        ["disk/out", "committed"].map(|folder| pair.feature.output.files(folder));
    let args = pair.args_with(&on_disk, &["--local-lambda", super::pair::FAILING]);
    let size = (pair.expected.lines.len() / 8).to_string();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", SCRIPT, "sh", &size, env!("CARGO_BIN_EXE_floodway")]);
    command.args(args).args(["--", "-w", TWO.workers]).current_dir(pair.place.path(""));
    let ended = end_of(start(command), "the script");
    let error = error_of(&ended);
    let Ok(code) = fs::read_to_string(pair.place.path("code")) else {
        assert_eq!(ended.status.code(), Some(77), "{error}");
        parts::not_run(&format!("to mount a small file system: {error}"));
        return 1;
    };
    pair.is_well(&ended);
    pair.is_complete();
    pair.is_part_in(&committed);
    match code.trim() {
        "0" => 0,
        code => {
            assert_eq!(code, "1", "{error}");
            assert!(error.contains("make room on the disk and start again"), "{error}");
            1
        }
    }
}
