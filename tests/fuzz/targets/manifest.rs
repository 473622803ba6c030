//! What is committed, and the folder that is made to be it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use floodway::sink::{self, MANIFEST, Manifest};

use super::in_folder;
use crate::engine::Target;

/// Files that a manifest names are made up to this length.
const MOST_BYTES: u64 = 1 << 20;

pub fn target() -> Target {
    let words = [
        "\n",
        "\"floodway_manifest\":1",
        "\"floodway_manifest\":2",
        "\"id\":\"\"",
        "\"commit\":",
        "\"up_to_epoch\":",
        "\"files\":[",
        "\"name\":\"part-000000-000-000\"",
        "\"temporary\":\".part-000-0000000000-000000-0000000001\"",
        "\"bytes\":",
        "\"records\":",
        "\"dead_letters\":[",
        "\"temporary\":\".dead-000-0000000000-000000-0000000001\"",
        "\"dead_letters_at\":",
        "\"total_records\":",
        "\"total_bad\":",
        "\"shortened\":",
        "\"sources\":",
        "\"sources_changed\":",
        "{\"lines\":{\"files\":{\"0\":{\"bytes\":[2]}}}}",
        "{\"events\":5}",
        "{\"lines\":{\"epoch\":1,\"lines\":2,\"files\":[]}}",
        "../",
        "/",
        ".",
        "..",
        "manifest.jsonl",
        "\\n",
    ];
    Target::json("manifest", &words, in_folder(check)).cut_at_most(1_000)
}

fn check(place: &Path, bytes: &[u8]) -> String {
    let (dir, others) = (place.join("out"), place.join("others"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    fs::write(&others, "others").unwrap();
    fs::write(dir.join(MANIFEST), bytes).unwrap();
    let manifest = match Manifest::read(&dir) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(sink::recover(&dir).is_err() && sink::prepare(&dir, true).is_err());
            assert!(fs::read(dir.join(MANIFEST)).unwrap() == bytes, "it was written to");
            return without(place, &error.to_string());
        }
    };
    is_whole(&dir, bytes, &manifest);
    let outcome = recovered(&dir, &manifest).map_err(|error| without(place, &error));
    assert_eq!(fs::read_to_string(&others).unwrap(), "others", "a file of others was changed");
    assert_eq!(fs::read_dir(place).unwrap().count(), 2, "a file was put beside the folder");
    outcome.unwrap_or_else(|error| error)
}

fn without(place: &Path, text: &str) -> String {
    text.replace(&*place.to_string_lossy(), "")
}

/// The manifest is the whole lines and nothing past them, and printed it reads the same.
fn is_whole(dir: &Path, bytes: &[u8], manifest: &Manifest) {
    let (whole, torn) = bytes.split_at(manifest.complete_bytes as usize);
    assert!(!torn.contains(&b'\n') && (whole.is_empty() || whole.ends_with(b"\n")));
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(manifest.commits.len(), lines.saturating_sub(1), "a commit past a torn line");
    fs::write(dir.join(MANIFEST), whole).unwrap();
    assert_eq!(&Manifest::read(dir).unwrap(), manifest, "the torn line mattered");

    let mut printed = Vec::new();
    if !whole.is_empty() {
        let header = match manifest.shortened {
            Some(last) => {
                serde_json::json!({"floodway_manifest": 1, "id": manifest.id, "shortened": last})
            }
            None => serde_json::json!({"floodway_manifest": 1, "id": manifest.id}),
        };
        printed.extend(format!("{header}\n").bytes());
    }
    for commit in &manifest.commits {
        serde_json::to_writer(&mut printed, commit).unwrap();
        printed.push(b'\n');
    }
    fs::write(dir.join(MANIFEST), &printed).unwrap();
    let mut again = Manifest::read(dir).expect("a manifest that was printed");
    again.complete_bytes = manifest.complete_bytes;
    let mut expected = manifest.clone();
    // Whoever puts fractions there may find them in another last digit.
    for commit in again.commits.iter_mut().chain(&mut expected.commits) {
        (commit.sources, commit.sources_changed) = Default::default();
    }
    assert_eq!(again, expected, "printed, it is another");

    let epochs: Vec<u64> = manifest.commits.iter().map(|commit| commit.up_to_epoch).collect();
    assert!(epochs.is_sorted(), "the epochs go back");
    assert!(epochs.last().is_none_or(|last| manifest.next_epoch() > *last));
    assert!(manifest.records() == 0 || !manifest.commits.is_empty());
    for file in manifest.files() {
        for name in [&file.name, &file.temporary] {
            let plain =
                name.bytes().all(|byte| byte.is_ascii_digit() || b".-adeprt".contains(&byte));
            assert!(plain && !name.contains(".."), "{name:?} is not a file of the folder");
        }
    }
}

/// The folder as a run that was killed between the commit and the renames leaves it, recovered.
fn recovered(dir: &Path, manifest: &Manifest) -> Result<String, String> {
    let files: Vec<_> = manifest.files().collect();
    if files.iter().any(|file| file.bytes > MOST_BYTES) {
        return Ok("large files".to_owned());
    }
    for file in &files {
        let made = fs::File::create(dir.join(&file.temporary)).unwrap();
        made.set_len(file.bytes).unwrap();
    }
    fs::write(dir.join(".part-9"), "not committed").unwrap();
    fs::write(dir.join("notes"), "not ours").unwrap();
    let first = sink::recover(dir).map_err(|error| error.to_string());
    // What cannot be: a name that is there twice.
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let temporary: BTreeSet<&str> = files.iter().map(|file| file.temporary.as_str()).collect();
    if names.len() < files.len() || temporary.len() < files.len() {
        return first.map(|_| "a name twice".to_owned());
    }
    let first = first.expect("the files are there");
    let there = |dir: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.extend([MANIFEST.to_owned(), "notes".to_owned()]);
    let kept: BTreeSet<&str> = manifest
        .commits
        .iter()
        .flat_map(|commit| commit.dead_letters.iter().map(|file| file.temporary.as_str()))
        .collect();
    if kept.contains(".part-9") {
        expected.insert(".part-9".to_owned());
    }
    assert_eq!(there(dir), expected, "the folder is not what the manifest says");
    let second = sink::recover(dir).expect("doing it twice is doing it once");
    assert_eq!((&first, there(dir)), (&second, expected));
    Ok(format!("recovered {}", if names.is_empty() { "nothing" } else { "files" }))
}
