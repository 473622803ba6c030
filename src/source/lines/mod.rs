//! Lines of text: files, or standard input.
//!
//! Reader threads read, cut lines into batches, check them and number them; workers take the batches
//! from bounded channels, so that memory stays bounded and no worker ever waits for a disk. Large
//! plain files are shared by the workers of all processes: each has a reader of its own, which reads
//! its own chunks. Everything else has one reader in process 0, and the process's workers take its
//! batches in turn. `docs/lines.md` says what is read how.
//!
//! The parts: [`Input`] names files, `cut` makes lines of bytes, `emitter` puts them into epochs and
//! hands them out; `sequence` reads one file after the other, `chunks` those that are shared, of which
//! `index` knows the numbers; [`Position`] says how far they are, for the run that goes on. What is read is an
//! `opened` file, whatever its path names meanwhile; `rotation` finds it under another name.

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
