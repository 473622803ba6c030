//! Starts the reader threads, and gives each worker its receiver.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

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
use crate::source::{Pace, ReadSettings, Source as _};

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct LinesSettings {
    /// Where the lines come from.
    pub input: Input,
    /// The position from which a resumed run reads on.
    pub from: Option<Position>,
    /// When all workers share the files, and how.
    pub sharing: Sharing,
    /// How they are read.
    pub read: ReadSettings,
}

/// When all workers share the files and each reads its own chunks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The total size in bytes from which plain files are shared. Less is not worth a thread per worker.
    pub from: u64,
    /// The length of a chunk in bytes. If it is too small, the last line of each chunk, which is read twice, costs time. If
    /// it is too large, workers are in different epochs, and a chunk does not fit in a cache.
    pub chunk: u64,
}

impl Sharing {
    /// Returns how files are shared for lines of this pace. If lines have due times, chunks are small, so that the workers
    /// share a burst.
    pub fn of(pace: &Pace) -> Self {
        Sharing { from: 16 << 20, chunk: if pace.is_scheduled() { 64 << 10 } else { 1 << 20 } }
    }
}

/// The open input: the receivers of the workers, and how far the readers are.
pub struct Lines {
    ends: Vec<Mutex<Option<BatchReceiver>>>,
    /// The last epoch that is read.
    last: Arc<AtomicU64>,
    offsets: Offsets,
    fingerprint: u64,
}

/// The source of positions.
enum Offsets {
    Nothing,
    Sequence(Arc<EpochOffsets>),
    Index(Arc<Index>, Arc<Pace>),
}

impl Lines {
    /// Opens the input, and starts the reader threads of this process: one per worker if files are shared, and otherwise one
    /// in process 0. They begin when the workers are there. An error while reading is passed to `failed`, and no line
    /// comes after it.
    ///
    /// # Errors
    /// If the input cannot be opened, or is not the one that the resumed run has read.
    pub fn start(
        settings: LinesSettings,
        failed: impl Fn(LinesError) + Send + Sync + 'static,
    ) -> Result<Lines, LinesError> {
        let is_first = settings.read.process == 0;
        let mut skipped = Skipped::default();
        let files = match settings.input.find(settings.from.is_some(), &mut skipped) {
            Ok(files) => files,
            // The followed file may have another name now.
            Err(_) if is_first && settings.follows() && settings.from.is_some() => Vec::new(),
            // If only process 0 reads, the others need not see the files.
            Err(_) if !is_first => return Ok(Lines::none()),
            Err(error) => return Err(error),
        };
        // A file that cannot be read is an error before there is any output. A file that was removed is skipped.
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
            if settings.read.processes > 1 {
                tracing::warn!(
                    "only process 0 reads the input, because {}: the workers of the other processes have nothing to \
                     do. More workers in one process (-- -w N) do",
                    settings.why_alone(&files)
                );
            }
            Lines::sequence(settings, files, skipped, &failed)
        } else {
            Ok(Lines::none())
        }
    }

    fn none() -> Lines {
        Lines { ends: Vec::new(), last: Arc::default(), offsets: Offsets::Nothing, fingerprint: 0 }
    }

    /// Starts a reader per worker, which reads its own chunks.
    fn shared<F: Fn(LinesError) + Send + Sync + 'static>(
        settings: LinesSettings,
        files: Vec<FoundFile>,
        failed: &Arc<F>,
    ) -> Result<Lines, LinesError> {
        // Process 0 notes the positions, so it makes the thorough check.
        let is_thorough = settings.read.process == 0;
        let start = match &settings.from {
            Some(from) => from.check(&files, is_thorough)?,
            None => Start::default(),
        };
        let changed = Arc::clone(failed);
        let chunk = settings.sharing.chunk;
        let index = Index::new(files, start, chunk, Box::new(move |error| changed(error)));
        let index = Arc::new(index);
        let (ends, reader_ends) = ends(settings.read.workers);
        let last = Arc::new(AtomicU64::new(u64::MAX));
        for (local_index, end) in reader_ends.into_iter().enumerate() {
            let me = settings.read.process * settings.read.workers + local_index;
            let turns = Turns { me, peers: settings.read.workers * settings.read.processes };
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
        Ok(Lines { ends, last, offsets: Offsets::Index(index, settings.read.pace), fingerprint })
    }

    /// Starts one reader for the workers of this process.
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
            let most = settings.read.open_epochs as usize
                + 2 * channel::CAPACITY * settings.read.workers
                + 2;
            Arc::new(EpochOffsets::new(most, start.read.clone()))
        });
        let (ends, reader_ends) = ends(settings.read.workers);
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

    /// Returns the receiver of worker `index`. None after the first call, or if no reader sends to the worker.
    pub(super) fn worker(&self, index: usize) -> Option<BatchReceiver> {
        self.ends.get(index)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Stops the readers after epoch `last`. A pipe or a followed file that has no more lines at the moment ends that
    /// epoch.
    pub fn stop_after(&self, last: u64) {
        self.last.store(last, Relaxed);
    }

    /// Returns the position after all epochs before `epoch`, which were read. Called in process 0, for epochs in order, on
    /// a thread that may wait for files. None for standard input, which cannot be read again.
    ///
    /// # Errors
    /// If the files cannot be read any more.
    pub fn position(&self, epoch: u64) -> Result<Option<Position>, LinesError> {
        match &self.offsets {
            Offsets::Nothing => Ok(None),
            Offsets::Sequence(epoch_offsets) => Ok(epoch_offsets.position(epoch)),
            Offsets::Index(index, pace) => index.position(epoch, pace.first(epoch)).map(Some),
        }
    }

    /// Returns a hash of the shared files and their sizes, which must be the same in all processes.
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
        let is_large =
            self.read.workers * self.read.processes > 1 && size >= self.sharing.from.max(1);
        // If a file cannot be opened, reading it fails later.
        let is_plain = |file: &FoundFile| Opened::new(file).is_ok_and(|opened| opened.is_plain());
        !self.input.waits() && is_large && files.iter().all(is_plain)
    }

    /// Says why the files are not shared.
    fn why_alone(&self, files: &[FoundFile]) -> String {
        let size: u64 = files.iter().map(|file| file.size).sum();
        if self.input.waits() {
            "files that are followed and standard input have one reader".to_owned()
        } else if size < self.sharing.from {
            let from = self.sharing.from >> 20;
            format!("files with less than {from} MiB in total have one reader")
        } else {
            "compressed files have one reader".to_owned()
        }
    }

    fn follows(&self) -> bool {
        matches!(self.input, Input::Files { follow: true, .. })
    }

    /// Returns where the reader of all files begins.
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

    /// Waits for the workers, and creates the emitter of a reader.
    fn emitter(
        &self,
        ends: Vec<UnboundSender>,
        last: Arc<AtomicU64>,
        epoch_offsets: Option<Arc<EpochOffsets>>,
    ) -> Emitter {
        let waits = self.input.waits() && self.read.pace.schedule().is_none();
        let waits = waits.then_some(WaitLimits {
            epoch: self.read.epoch.min(self.read.commit_every),
            group: self.read.commit_every,
            epochs_a_group: self.read.epochs_a_commit,
        });
        let hurries = self.input.waits() || self.read.pace.is_scheduled();
        let enough = if hurries { 1 } else { channel::WORTH_WAKING };
        let ends = ends.into_iter().filter_map(|end| end.bind(enough)).collect();
        let (first, line) = self.from.as_ref().map_or((0, 0), |from| (from.epoch, from.lines));
        let epochs = Epochs::new(first, waits);
        let line_splitter = LineSplitter::new(self.read.max_record);
        let mut emitter =
            Emitter::new(line_splitter, Arc::clone(&self.read.pace), epochs, ends, last);
        emitter.go_to(LineOffset { line, ..LineOffset::default() }, None, 0);
        if self.from.is_some() {
            // No lines of the committed epochs come.
            emitter.tell(first);
        }
        emitter.epoch_offsets = epoch_offsets;
        emitter
    }
}
