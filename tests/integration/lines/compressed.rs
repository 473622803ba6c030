//! Compressed input.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use super::{gzip, sorted, tokenized};
use crate::common::{Place, end_of, error_of};

#[test]
fn compressed_input_is_recognised_by_its_first_bytes() {
    let place = Place::new();
    let text: Vec<u8> =
        (0..50_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let expected = sorted(tokenized("", &text, 1_000));
    let halves = [gzip(&text[..500]), vec![0; 1_000], gzip(&text[500..]), vec![0; 512]].concat();
    let zstd = zstd::encode_all(&text[..], 1).unwrap();
    for (name, packed) in [("log", &halves), ("log.zst", &halves), ("log.gz", &zstd), ("z", &zstd)]
    {
        fs::write(place.path(name), packed).unwrap();
        let source = format!("lines:{name}");
        place.run_well(&["run", "--source", &source, "--out", "out", "--overwrite"]);
        assert!(place.output("out") == expected, "{name}");
        // The same on standard input, where it comes in pieces.
        let args = ["run", "--source", "lines:-", "--out", "out", "--overwrite"];
        let mut run = place.floodway(&args);
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        let mut pipe = run.stdin.take().unwrap();
        for piece in [&packed[..1], &packed[1..3], &packed[3..100], &packed[100..]] {
            pipe.write_all(piece).unwrap();
            pipe.flush().unwrap();
            std::thread::park_timeout(Duration::from_millis(150));
        }
        drop(pipe);
        let output = end_of(run, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        assert!(place.output("out") == expected, "{name}");
    }
    let mixed = [gzip(&text[..500]), zstd::encode_all(&text[500..], 1).unwrap()].concat();
    fs::write(place.path("mixed"), &mixed).unwrap();
    place.run_well(&["run", "--source", "lines:mixed", "--out", "out", "--overwrite"]);
    assert!(place.output("out") == expected);
    fs::write(place.path("mixed"), [&mixed[..], b"a line\n"].concat()).unwrap();
    let output = place.run(&["run", "--source", "lines:mixed", "--out", "out", "--overwrite"]);
    let (error, end) = (error_of(&output), format!("ends at byte {}, and", mixed.len()));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot read mixed: ") && error.contains(&end), "{error}");
    let mut tar = vec![b'x'; 2_048];
    tar[257..262].copy_from_slice(b"ustar");
    let wide: Vec<u8> = "\u{feff}text\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, what) in [
        ("in.log", b"BZh91AY&SY\x01\x02".to_vec(), "compressed with bzip2"),
        ("in.log.gz", b"\xfd7zXZ\0\0\x04".to_vec(), "compressed with xz"),
        ("in.zip", b"PK\x03\x04\x14\0".to_vec(), "a zip archive"),
        ("in.tgz", gzip(&tar), "a tar archive"),
        ("in.tar", tar, "a tar archive"),
        ("in.txt", wide, "text in UTF-16"),
    ] {
        fs::write(place.path(name), bytes).unwrap();
        for source in [format!("lines:{name}"), format!("lines:{name}*"), "lines:-".to_owned()] {
            let mut run = place.floodway(&["run", "--sink", "null", "--source", &source]);
            run.stdin(fs::File::open(place.path(name)).unwrap());
            let output = run.stderr(Stdio::piped()).output().unwrap();
            let error = error_of(&output);
            assert_eq!(output.status.code(), Some(1), "{source}: {error}");
            assert!(error.contains(what), "{source}: {error}");
        }
        fs::remove_file(place.path(name)).unwrap();
    }
}

#[test]
fn a_read_error_is_not_taken_for_the_end_of_input() {
    let place = Place::new();
    let line = |number| format!("line {number} {}\n", number * 7_919 % 10_007);
    let text: String = (0..250_000).map(line).collect();
    let packed = gzip(text.as_bytes());
    fs::write(place.path("cut.gz"), &packed[..packed.len() - 9]).unwrap();
    let output = place.run(&["run", "--source", "lines:cut.gz", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    let lines = place.lines("out");
    assert!(
        lines.is_multiple_of(100_000),
        "an epoch was committed without its last lines: {lines}"
    );
}
