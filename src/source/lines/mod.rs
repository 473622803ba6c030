//! Lines of text: a file, or standard input.
//!
//! A reader thread reads, cuts lines into batches, checks them and numbers them; the process's
//! workers take the batches in turn from bounded channels, so that memory stays bounded and no
//! worker ever waits for a disk. One process reads: the one that is told to.

mod cut;
mod reader;
mod stream;

pub use reader::{Input, Lines, LinesError, LinesSettings};
pub use stream::{LineSource, lines};
