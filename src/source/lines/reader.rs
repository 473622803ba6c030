//! The reader threads, and the workers' ends of them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::chunks::{self, Turns};
use super::emitter::Emitter;
use super::epochs::{Epochs, WaitLimits};
use super::index::Index;
use super::input::{COMPRESSED, FoundFile, Input, Skipped};
use super::line_splitter::LineSplitter;
use super::offsets::{EpochOffsets, LineOffset};
use super::opened::Opened;
use super::rotation;
use super::sequence::{self, Sequence};
use super::start::Start;
use super::{LinesError, Position};
use crate::source::channel::{self, BatchReceiver, UnboundSender, channel};
use crate::source::{Pace, Source as _};

/// What is read, and for whom.
#[derive(Clone, Debug)]
pub struct LinesSettings {
    /// Where the lines come from.
    pub input: Input,
    /// When which line is due, and how many are wanted.
    pub pace: Arc<Pace>,
    /// Longer lines are bad, in bytes.
    pub max_record: usize,
    /// Where lines are waited for, an epoch ends after this time even if few lines came.
    pub epoch: Duration,
    /// Where lines are waited for, they are committed after this time at the latest.
    pub commit_every: Duration,
    /// Epochs that are committed together, some of which may be left out.
    pub epochs_a_commit: u64,
    /// Epochs that may be open: that many positions are remembered.
    pub open_epochs: u64,
    /// Where to go on: what had been read is passed over.
    pub from: Option<Position>,
    /// When and how files are shared by all workers.
    pub sharing: Sharing,
    /// Workers a process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// This one.
    pub process: usize,
}

/// When files are shared by all workers, each reading its own chunks of them, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Plain files of so many bytes together are: for less it is not worth a thread a worker.
    pub from: u64,
    /// Bytes of a chunk. Too small and the last line of each, which is read twice, begins to count;
    /// too large and workers are in different epochs, and the chunk is in no cache when it is cut.
    pub chunk: u64,
}

impl Sharing {
    /// For lines that leave at this pace: where they are due one after the other, chunks are small,
    /// so that no worker has a burst to itself.
    pub fn of(pace: &Pace) -> Self {
        Sharing { from: 16 << 20, chunk: if pace.is_scheduled() { 64 << 10 } else { 1 << 20 } }
    }
}

/// The workers' ends of the reader threads, and how far these are.
pub struct Lines {
    ends: Vec<Mutex<Option<BatchReceiver>>>,
    /// The last epoch that is wanted.
    last: Arc<AtomicU64>,
    offsets: Offsets,
    fingerprint: u64,
}

/// What says how far the input had been read when an epoch began.
enum Offsets {
    Nothing,
    Sequence(Arc<EpochOffsets>),
    Index(Arc<Index>, Arc<Pace>),
}

impl Lines {
    /// Opens the input and starts the threads that this process needs: one for each of its workers
    /// where files are shared, one in process 0 where they are not. They read once the workers are
    /// there. `failed` hears of an error while reading, and nothing comes after it.
    ///
    /// # Errors
    /// If the input cannot be opened, or is not what it was for the run that is gone on with.
    pub fn start(
        settings: LinesSettings,
        failed: impl Fn(LinesError) + Send + Sync + 'static,
    ) -> Result<Lines, LinesError> {
        let is_first = settings.process == 0;
        let mut skipped = Skipped::default();
        let files = match settings.input.find(settings.from.is_some(), &mut skipped) {
            Ok(files) => files,
            // What was followed may have another name now.
            Err(_) if is_first && settings.follows() && settings.from.is_some() => Vec::new(),
            // Where one process reads, the others need not see the files.
            Err(_) if !is_first => return Ok(Lines::none()),
            Err(error) => return Err(error),
        };
        // What cannot be read is said before there is any output, and what is gone by now is passed over.
        let follows = settings.follows();
        let mut is_there = |file: FoundFile| {
            let opened = Opened::if_there(&file)?;
            let is_skipped =
                |opened: &Opened| follows && file.label.is_some() && !opened.is_plain();
            if opened.as_ref().is_some_and(is_skipped) {
                skipped.note(&file.path, COMPRESSED);
                return Ok(None);
            }
            Ok(opened.map(|_| file))
        };
        let there = files.into_iter().map(&mut is_there).filter_map(Result::transpose);
        let files = there.collect::<Result<Vec<_>, LinesError>>()?;
        let failed = Arc::new(failed);
        if settings.shares(&files) {
            return Lines::shared(settings, files, &failed);
        }
        if is_first {
            Lines::sequence(settings, files, skipped, &failed)
        } else {
            Ok(Lines::none())
        }
    }

    fn none() -> Lines {
        Lines { ends: Vec::new(), last: Arc::default(), offsets: Offsets::Nothing, fingerprint: 0 }
    }

    /// Each worker reads its own chunks.
    fn shared<F: Fn(LinesError) + Send + Sync + 'static>(
        settings: LinesSettings,
        files: Vec<FoundFile>,
        failed: &Arc<F>,
    ) -> Result<Lines, LinesError> {
        // Process 0 notes the positions, and so it is the one that has to know that they are true.
        let is_thorough = settings.process == 0;
        let start = match &settings.from {
            Some(from) => from.check(&files, is_thorough)?,
            None => Start::default(),
        };
        let changed = Arc::clone(failed);
        let chunk = settings.sharing.chunk;
        let index = Index::new(files, start, chunk, Box::new(move |error| changed(error)));
        let index = Arc::new(index);
        let (ends, reader_ends) = ends(settings.workers);
        let last = Arc::new(AtomicU64::new(u64::MAX));
        for (offset, end) in reader_ends.into_iter().enumerate() {
            let me = settings.process * settings.workers + offset;
            let turns = Turns { me, peers: settings.workers * settings.processes };
            let (index, last) = (Arc::clone(&index), Arc::clone(&last));
            let settings = settings.clone();
            let failed = Arc::clone(failed);
            spawn(move || {
                let mut emitter = settings.emitter(vec![end], last, None);
                match chunks::read(&index, turns, &mut emitter) {
                    Ok(()) => emitter.close(),
                    Err(error) => {
                        emitter.fail();
                        failed(error);
                    }
                }
            })?;
        }
        let fingerprint = index.fingerprint();
        Ok(Lines { ends, last, offsets: Offsets::Index(index, settings.pace), fingerprint })
    }

    /// One reader for the workers of this process.
    fn sequence<F: Fn(LinesError) + Send + Sync + 'static>(
        settings: LinesSettings,
        files: Vec<FoundFile>,
        skipped: Skipped,
        failed: &Arc<F>,
    ) -> Result<Lines, LinesError> {
        let stdin = match &settings.input {
            Input::Files { .. } => None,
            Input::Stdin => {
                let own = io::stdin().as_fd().try_clone_to_owned();
                Some(File::from(own.map_err(stdin_error)?))
            }
        };
        let start = Start { skipped, ..settings.start_one(files)? };
        let epoch_offsets = stdin.is_none().then(|| {
            let most = settings.open_epochs as usize + 2 * channel::CAPACITY * settings.workers + 2;
            Arc::new(EpochOffsets::new(most, start.read.clone()))
        });
        let (ends, reader_ends) = ends(settings.workers);
        let last = Arc::new(AtomicU64::new(u64::MAX));
        let offsets = epoch_offsets.clone().map_or(Offsets::Nothing, Offsets::Sequence);
        let (wanted, failed) = (Arc::clone(&last), Arc::clone(failed));
        spawn(move || {
            let mut emitter = settings.emitter(reader_ends, wanted, epoch_offsets);
            let result = match stdin {
                Some(stdin) => sequence::read_pipe(&mut emitter, stdin).map_err(stdin_error),
                None => Sequence::new(settings.input, start).read(&mut emitter),
            };
            match result {
                Ok(()) => emitter.close(),
                Err(error) => {
                    emitter.fail();
                    failed(error);
                }
            }
        })?;
        Ok(Lines { ends, last, offsets, fingerprint: 0 })
    }

    /// Worker `index`'s end: once, and none where nobody reads for it.
    pub(super) fn worker(&self, index: usize) -> Option<BatchReceiver> {
        self.ends.get(index)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The readers stop after epoch `last`; a pipe or a followed file that has nothing more to give
    /// ends it.
    pub fn stop_after(&self, last: u64) {
        self.last.store(last, Relaxed);
    }

    /// Where everything of epochs before `epoch` has been read, which must have been: a thread that
    /// may wait for files calls this, in process 0, of epochs in order. None for standard input, which
    /// cannot be read again, and if the files cannot be looked at any more.
    pub fn position(&self, epoch: u64) -> Option<Position> {
        match &self.offsets {
            Offsets::Nothing => None,
            Offsets::Sequence(epoch_offsets) => epoch_offsets.position(epoch),
            Offsets::Index(index, pace) => {
                let position = index.position(epoch, pace.first(epoch));
                let failed =
                    |error| tracing::warn!("cannot note how far the input was read: {error}");
                position.map_err(failed).ok()
            }
        }
    }

    /// What all processes must agree on: the files that they share, with their sizes.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lines").field("last", &self.last).finish_non_exhaustive()
    }
}

fn stdin_error(source: io::Error) -> LinesError {
    LinesError::Read { what: "standard input".to_owned(), source }
}

fn ends(workers: usize) -> (Vec<Mutex<Option<BatchReceiver>>>, Vec<UnboundSender>) {
    let pair = |_| {
        let (reader, worker) = channel();
        (Mutex::new(Some(worker)), reader)
    };
    (0..workers).map(pair).unzip()
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), LinesError> {
    let thread = thread::Builder::new().name("floodway-reader".to_owned()).spawn(run);
    let failed = |source| LinesError::Read { what: "in a thread of its own".to_owned(), source };
    thread.map(drop).map_err(failed)
}

impl LinesSettings {
    fn shares(&self, files: &[FoundFile]) -> bool {
        let size: u64 = files.iter().map(|file| file.size).sum();
        let is_large = self.workers * self.processes > 1 && size >= self.sharing.from.max(1);
        // One that cannot be opened is said to be that when it is read.
        let is_plain = |file: &FoundFile| Opened::new(file).is_ok_and(|opened| opened.is_plain());
        !self.input.waits() && is_large && files.iter().all(is_plain)
    }

    fn follows(&self) -> bool {
        matches!(self.input, Input::Files { follow: true, .. })
    }

    /// Where one reader begins.
    fn start_one(&self, mut files: Vec<FoundFile>) -> Result<Start, LinesError> {
        let Some(from) = &self.from else { return Start::new(files, 0) };
        if self.follows() {
            return rotation::resume(from, &self.input, files);
        }
        let mut start = from.check(&files, true)?;
        start.ahead = files.split_off(from.files.len()).into();
        if start.first.is_none() {
            start.first = start.next()?;
        }
        Ok(start)
    }

    /// A reader's way to the workers, once they are there.
    fn emitter(
        &self,
        ends: Vec<UnboundSender>,
        last: Arc<AtomicU64>,
        epoch_offsets: Option<Arc<EpochOffsets>>,
    ) -> Emitter {
        let waits = self.input.waits() && !self.pace.is_scheduled();
        let waits = waits.then_some(WaitLimits {
            epoch: self.epoch.min(self.commit_every),
            group: self.commit_every,
            epochs_a_group: self.epochs_a_commit,
        });
        let hurries = self.input.waits() || self.pace.is_scheduled();
        let enough = if hurries { 1 } else { channel::WORTH_WAKING };
        let ends = ends.into_iter().filter_map(|end| end.bind(enough)).collect();
        let (first, line) = self.from.as_ref().map_or((0, 0), |from| (from.epoch, from.lines));
        let epochs = Epochs::new(first, waits);
        let line_splitter = LineSplitter::new(self.max_record);
        let mut emitter = Emitter::new(line_splitter, Arc::clone(&self.pace), epochs, ends, last);
        emitter.go_to(LineOffset { line, ..LineOffset::default() }, None, 0);
        if self.from.is_some() {
            // Nothing comes of what was committed.
            emitter.tell(first);
        }
        emitter.epoch_offsets = epoch_offsets;
        emitter
    }
}
