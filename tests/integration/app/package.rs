//! The zip that AWS Lambda takes of a program, started in the local Lambda's real processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{INPUT, OUTPUT, clicks, counts_are_right, is_complete, remote};
use crate::common::{Lambda, Place, end_of, error_of, example, output_of, start};

/// Runs `clicks package` with a PATH that has only the folder `tools`, which may be missing.
fn package(place: &Place, args: &[&str]) -> Output {
    let mut command = place.floodway(&[&["package"], args].concat());
    let tools = place.path("tools");
    command.env("PATH", &tools).env("CARGO", tools.join("cargo"));
    end_of(start(command), &format!("package {args:?}"))
}

fn unzip(zip: &Path, folder: &Path) {
    let mut archive = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    archive.extract(folder).unwrap();
}

/// A program for Linux on arm64: its ELF file says so, and nobody starts it.
fn for_arm(place: &Place) -> PathBuf {
    let mut program = fs::read(example("clicks")).unwrap();
    program[18..20].copy_from_slice(&183_u16.to_le_bytes());
    needs_glibc(&mut program, b"GLIBC_2.34");
    let path = place.path("for-arm");
    fs::write(&path, program).unwrap();
    path
}

/// Replaces the newest versions of glibc that the program needs by another one.
fn needs_glibc(program: &mut [u8], version: &[u8; 10]) {
    let names: Vec<usize> = memchr::memmem::find_iter(program, b"GLIBC_2.3").collect();
    for at in names {
        // A name of ten bytes in the table of names.
        if program.get(at + 10) == Some(&0) {
            program[at..at + 10].copy_from_slice(version);
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_packaged_program_serves_its_stages_where_lambda_starts_it() {
    let place = clicks();
    let output = package(&place, &["--out", "zips"]);
    let said = output_of(&output);
    assert!(output.status.success(), "{said}{}", error_of(&output));
    for part in ["clicks-x86_64.zip: x86_64, ", "arm64: not made: cargo-zigbuild", "pip install"] {
        assert!(said.contains(part), "without {part:?}: {said}");
    }
    let zips = fs::read_dir(place.path("zips")).unwrap().count();
    assert_eq!(zips, 1, "{said}");
    unzip(&place.path("zips/clicks-x86_64.zip"), &place.path("function"));
    let mode = fs::metadata(place.path("function/bootstrap")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
    command.args(["lambda", "--function"]).arg(place.path("function"));
    let function = Lambda::of(command);
    let check = place.run(&["check", "--lambda", &function.url]);
    let said = output_of(&check);
    assert!(check.status.success(), "{said}{}", error_of(&check));
    let version = concat!("clicks/", env!("CARGO_PKG_VERSION"), " (stages ");
    assert!(said.contains(version) && said.contains("the stage score"), "{said}");

    let run = [&["run"], &INPUT[..], &OUTPUT, &["--policy", "remote", "--lambda", &function.url]];
    let summary = place.run_well(&run.concat());
    is_complete(&place);
    counts_are_right(&summary);
    assert!(remote(&summary) > 0, "{summary}");
}

/// Writes a program of this name into the folder `tools`, which has these lines of a shell.
fn tool(place: &Place, name: &str, lines: &str) {
    let path = place.path("tools").join(name);
    fs::create_dir_all(place.path("tools")).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn another_architecture_is_built_by_zig_where_it_is_installed() {
    let place = clicks();
    let output = package(&place, &["--arch", "arm64"]);
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["cargo-zigbuild", "pip install", "rustup target add aarch64-unknown-linux-gnu"] {
        assert!(said.contains(part), "without {part:?}: {said}");
    }

    tool(&place, "cargo-zigbuild", "exit 1");
    tool(&place, "cargo", "echo no std >&2; exit 101");
    fs::write(place.path("Cargo.toml"), "").unwrap();
    let said = error_of(&package(&place, &["--arch", "arm64"]));
    assert!(said.contains("no std") && said.contains("--example clicks"), "{said}");

    let message = format!("{{\"executable\":{:?}}}", for_arm(&place));
    tool(&place, "cargo", &format!("echo '{message}'; echo '{{\"reason\":\"build-finished\"}}'"));
    let output = package(&place, &["--arch", "arm64", "--out", "zips"]);
    assert!(output.status.success(), "{}", error_of(&output));
    unzip(&place.path("zips/clicks-arm64.zip"), &place.path("function"));
    let packed = fs::read(place.path("function/bootstrap")).unwrap();
    assert!(packed == fs::read(for_arm(&place)).unwrap());
}

#[test]
fn a_program_that_lambda_cannot_start_is_refused_with_the_reason() {
    let place = clicks();
    let mut newer = fs::read(for_arm(&place)).unwrap();
    needs_glibc(&mut newer, b"GLIBC_2.39");
    fs::write(place.path("newer"), newer).unwrap();
    fs::write(place.path("text"), "no program").unwrap();
    let _ = for_arm(&place);
    place.refuses(
        "package",
        &[
            (&["--program", "missing"], &["--program missing", "cannot be read"]),
            (&["--program", "text"], &["--program text", "is no program for Linux"]),
            (&["--program", "newer"], &["needs glibc 2.39", "has 2.34", "cargo zigbuild"]),
            (&["--program", "for-arm", "--arch", "x86_64"], &["is for arm64"]),
            (&["--arch", "riscv"], &["--arch riscv", "arm64"]),
        ],
    );
    let output = Place::new().run(&["package"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("programs of one's own"), "{}", error_of(&output));
}
