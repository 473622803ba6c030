//! Lines of text as a source.

mod compressed;
mod files;
mod followed;
mod unreadable;

use std::fs;
use std::io::Write as _;
use std::process::Child;

use crate::common::{Place, poll};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sorted(mut lines: Vec<Vec<u8>>) -> Vec<u8> {
    lines.sort_unstable();
    lines.concat()
}

/// The words of ASCII lines; a line that is none of the output's gives nothing.
fn tokenized(label: &str, text: &[u8], max: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|last| last.is_empty());
    let good = lines.into_iter().enumerate().filter_map(|(number, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|_| line.len() <= max)?;
        let separator = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let words: Vec<_> = text.split(separator).filter(|word| !word.is_empty()).collect();
        Some(format!("{label}{number}\t{}\n", words.join(" ")).into_bytes())
    });
    good.collect()
}

fn follow(place: &Place, source: &str, more: &[&str]) -> Child {
    let args = ["run", "--source", source, "--follow", "--out", "out", "--epoch", "50ms"];
    let mut args = args.to_vec();
    args.extend(["--commit-every", "100ms", "--summary", "summary.json"]);
    args.extend(more);
    place.start(&args)
}

/// Waits until so many lines are committed.
fn committed(place: &Place, lines: u64) {
    poll(&format!("{lines} lines are committed"), || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        manifest.contains(&format!("\"total_records\":{lines}")).then_some(())
    });
}
