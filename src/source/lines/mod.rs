//! Lines of text: files, or standard input.
//!
//! Reader threads split the input into lines, check and number them, and send them in batches to the workers through
//! bounded channels. So memory is bounded, and no worker waits for a disk. All workers of all processes share large plain
//! files: each worker has its own reader, which reads its own chunks. All other input has one reader in process 0, and
//! the workers of that process take its batches in turn. `docs/lines.md` says what is read, and how.
//!
//! [`Input`] finds files. `line_splitter` makes lines of bytes, and `emitter` assigns epochs to them and sends them.
//! `sequence` reads one file after another, and `chunks` reads shared files, whose lines `index` numbers. [`Position`]
//! records how far the input was read, for a run that resumes. An `opened` file is read whatever its path names
//! meanwhile. `rotation` finds a file that was renamed.

mod chunks;
mod compression;
mod decompress;
mod emitter;
mod epochs;
mod error;
mod file_watcher;
mod globs;
mod index;
mod input;
mod late;
mod line_splitter;
mod offsets;
mod open_files;
mod opened;
mod position;
mod reader;
mod rotation;
mod sequence;
mod source;
mod start;
#[cfg(test)]
mod tests;
mod tracked_file;

pub use error::LinesError;
pub(crate) use globs::{matches, name_matches, path_of, text_of};
pub use input::Input;
pub use opened::FileId;
pub use position::{FilePosition, Position};
pub use reader::{Lines, LinesSettings, Sharing};
