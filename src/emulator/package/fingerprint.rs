//! A fingerprint of a function's code, by which a run that is resumed notices that it is another one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Package;

/// Folders with what is made of other files, or installed by them.
const MADE: [&str; 3] = ["__pycache__", "target", "node_modules"];

/// Larger files count by their size only, so that a model of gigabytes is not read.
const READ: u64 = 4 << 20;

impl Package {
    /// Returns a fingerprint of the function: its files with their contents, its handler and its environment. Hidden
    /// files and caches do not count, and of files of more than 4 MiB only the size does.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn fingerprint(&self) -> io::Result<String> {
        let mut hash = crc32fast::Hasher::new();
        hash.update(format!("{:?}{:?}", self.handler, self.environment).as_bytes());
        let mut files = Vec::new();
        find(&self.code, &mut files)?;
        files.sort_unstable();
        for file in &files {
            let size = fs::metadata(file)?.len();
            let name = file.strip_prefix(&self.code).unwrap_or(file);
            hash.update(format!("{name:?}{size}").as_bytes());
            if size <= READ {
                io::copy(&mut File::open(file)?, &mut Hashing(&mut hash))?;
            }
        }
        Ok(format!("{:08x}", hash.finalize()))
    }
}

/// Adds the files in a folder.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if name.starts_with('.') || kind.is_dir() && MADE.contains(&&*name) {
            continue;
        }
        // A link to a folder may lead round.
        match kind.is_dir() {
            true => find(&entry.path(), files)?,
            false if entry.path().is_file() => files.push(entry.path()),
            false => {}
        }
    }
    Ok(())
}

/// Writes into a hash.
struct Hashing<'h>(&'h mut crc32fast::Hasher);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Choices;

    #[test]
    fn a_change_of_a_file_that_is_the_functions_own_is_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        };
        let fingerprint =
            || Package::open(folder.path(), &Choices::default()).unwrap().fingerprint().unwrap();
        write("bootstrap", "#!/bin/sh\n");
        let program = folder.path().join("bootstrap");
        fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        write("data/words", "one");
        let first = fingerprint();
        assert_eq!(fingerprint(), first);
        for name in [".git/index", "__pycache__/a.pyc", "data/__pycache__/b.pyc", "target/debug/x"]
        {
            write(name, "made");
        }
        assert_eq!(fingerprint(), first);
        let mut seen = vec![first];
        for (name, text) in
            [("data/words", "two"), ("data/more", ""), ("bootstrap", "#!/bin/bash\n")]
        {
            write(name, text);
            let next = fingerprint();
            assert!(!seen.contains(&next), "{name}");
            seen.push(next);
        }
    }
}
