//! Where a run puts its output, and how it is read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use floodway::sink::Manifest;

use crate::common::Place;

/// A destination of a run's output, which no other run has.
pub trait Sink {
    /// The value of `--sink`.
    fn value(&self) -> String;

    /// The folder with the manifest of the run's commits, in the run's place.
    fn commits(&self) -> &str;

    /// The sorted lines that readers see, all of them committed.
    fn lines(&self, place: &Place) -> Vec<u8>;

    /// Checks that it has exactly these sorted lines, after the end of a run.
    fn is_complete(&self, place: &Place, expected: &[u8]);
}

/// Makes a destination.
pub type MakeSink = Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync>;

/// Files in a folder of the place.
pub struct Files {
    pub folder: &'static str,
    /// What follows `files:DIR`.
    pub options: &'static str,
}

impl Sink for Files {
    fn value(&self) -> String {
        format!("files:{}{}", self.folder, self.options)
    }

    fn commits(&self) -> &str {
        self.folder
    }

    fn lines(&self, place: &Place) -> Vec<u8> {
        committed(&place.path(self.folder))
    }

    /// Checks also that nothing else is in the folder.
    fn is_complete(&self, place: &Place, expected: &[u8]) {
        let lines = place.output(self.folder);
        assert!(lines == expected, "another output than that of the local run");
        let entries = fs::read_dir(place.path(self.folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let stray: Vec<_> = names.filter(|name| name.starts_with('.')).collect();
        assert!(stray.is_empty(), "{stray:?} are left in the folder");
    }
}

/// The sorted lines of the files that the manifest of a folder names, which must be as long as it says.
fn committed(folder: &Path) -> Vec<u8> {
    let manifest = Manifest::read(folder).unwrap();
    let mut text = Vec::new();
    for file in manifest.files() {
        let paths = [&file.temporary, &file.name].map(|name| folder.join(name));
        let path = paths.iter().find(|path| path.exists()).expect("a committed file is there");
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes, "{}", path.display());
        match file.name.ends_with(".zst") {
            true => text.extend(zstd::decode_all(&*bytes).expect("whole frames")),
            false => text.extend(bytes),
        }
    }
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    assert_eq!(lines.len() as u64, manifest.records(), "the manifest counts other lines");
    lines.concat()
}
