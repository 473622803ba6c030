//! One reader for all workers of its process: standard input, or files one after the other.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::LinesError;
use super::input::{Found, Input, unpack};
use super::outlet::Outlet;
use super::places::{Place, Places};

/// Bytes read at once: they are still in the second level of the cache when they are cut.
const BLOCK: usize = 256 << 10;

/// How long a pipe is waited for before the reader looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How long a followed file is left alone before it is looked at again. A look costs a few
/// microseconds, and an idle worker is not woken by it.
const FOLLOW: Duration = Duration::from_millis(20);

/// How often a followed glob is looked through for new files.
const GLOB: Duration = Duration::from_secs(1);

/// Reads standard input to its end.
pub(super) fn read_pipe(outlet: &mut Outlet, mut input: File) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    while !outlet.is_over() {
        outlet.tick(false);
        if !has_input(&input, outlet.patience(LOOK))? {
            outlet.tick(true);
            continue;
        }
        match read(&mut input, &mut block)? {
            0 => {
                outlet.finish();
                break;
            }
            read => outlet.feed(&block[..read]),
        }
        // More may not come for long.
        outlet.flush();
    }
    Ok(())
}

/// Whether a pipe has something to read; waits a little.
fn has_input(input: &File, wait: Duration) -> io::Result<bool> {
    let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    let mut fds = [PollFd::new(input, PollFlags::IN)];
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn read(input: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Files that are read one after the other.
pub(super) struct Sequence {
    input: Input,
    follow: bool,
    files: Vec<Found>,
    start: Place,
    block: Vec<u8>,
    looked: Instant,
}

impl Sequence {
    /// Those that `input` names, from `start` on.
    pub(super) fn new(input: Input, files: Vec<Found>, start: Place) -> Self {
        let follow = matches!(input, Input::Files { follow: true, .. });
        let block = vec![0; BLOCK];
        Sequence { input, follow, files, start, block, looked: Instant::now() }
    }

    /// Reads them to their end; where they are followed, until the run stops.
    pub(super) fn read(mut self, outlet: &mut Outlet) -> Result<(), LinesError> {
        let places = outlet.places.clone();
        let mut index = self.start.file;
        while index < self.files.len() && !outlet.is_over() {
            if let Some(places) = &places
                && index > self.start.file
            {
                places.open(self.files[index].clone());
            }
            let place = match index == self.start.file {
                true => self.start,
                false => Place { file: index, line: outlet.line(), ..Place::default() },
            };
            self.read_file(outlet, place)?;
            if let Some(places) = &places {
                places.finish(outlet.at(), outlet.place().lines);
            }
            index += 1;
        }
        Ok(())
    }

    fn read_file(&mut self, outlet: &mut Outlet, place: Place) -> Result<(), LinesError> {
        let index = place.file;
        let Found { path, label, packing, .. } = self.files[index].clone();
        let failed = |error| LinesError::read(&path, error);
        let mut file = File::open(&path).map_err(failed)?;
        if self.files[index].is_plain() {
            file.seek(SeekFrom::Start(place.bytes)).map_err(failed)?;
        }
        let watched = file.try_clone().map_err(failed)?;
        let mut content = unpack(file, packing).map_err(failed)?;
        if !self.files[index].is_plain() {
            skip(&mut content, place.bytes, &path)?;
        }
        outlet.go_to(index, label, place.bytes, place.lines, place.line);
        while !outlet.is_over() {
            // Once there is a next file, this one is read to its end once more.
            let is_last = index + 1 == self.files.len();
            match read(&mut content, &mut self.block).map_err(failed)? {
                0 if self.follow && is_last => self.wait(outlet, &watched, &path)?,
                0 => {
                    outlet.finish();
                    break;
                }
                read => outlet.feed(&self.block[..read]),
            }
            if self.follow {
                outlet.flush();
                outlet.tick(false);
            }
        }
        Ok(())
    }

    /// A followed file has nothing more just now.
    fn wait(&mut self, outlet: &mut Outlet, file: &File, path: &Path) -> Result<(), LinesError> {
        outlet.flush();
        outlet.tick(true);
        let size = file.metadata().map_err(|error| LinesError::read(path, error))?.len();
        if size < outlet.at() {
            let why =
                format!("it shrank from {} to {size} bytes while it was followed", outlet.at());
            return Err(LinesError::read(path, io::Error::other(why)));
        }
        if self.input.glob().is_some() && self.looked.elapsed() >= GLOB {
            self.looked = Instant::now();
            let later = self.input.find()?.into_iter().filter(|file| file.path.as_path() > path);
            self.files.extend(later);
        }
        if !outlet.is_over() {
            thread::sleep(outlet.patience(FOLLOW));
        }
        Ok(())
    }
}

/// Passes over what was read by the run before.
fn skip(content: &mut impl Read, bytes: u64, path: &Path) -> Result<(), LinesError> {
    let failed = |error| LinesError::read(path, error);
    let skipped = io::copy(&mut content.take(bytes), &mut io::sink()).map_err(failed)?;
    if skipped < bytes {
        let why = format!("has {skipped} bytes when it is unpacked, and {bytes} had been read");
        return Err(LinesError::changed(&path.to_string_lossy(), why));
    }
    Ok(())
}

/// Notes the files that were read by the run before, and the one at hand.
pub(super) fn note_read(places: &Arc<Places>, files: &[Found], read: &[(u64, u64)], file: usize) {
    for (index, file) in files.iter().take(file + 1).enumerate() {
        places.open(file.clone());
        if let Some((bytes, lines)) = read.get(index) {
            places.finish(*bytes, *lines);
        }
    }
}
