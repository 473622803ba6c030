//! The reader thread.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cut::{Cut, Cutter};
use crate::batch::{BATCH_BYTES, BATCH_RECORDS, Span};
use crate::source::Pace;

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// What the reader does.
#[derive(Clone, Debug)]
pub struct LinesSettings {
    /// Where the lines come from.
    pub input: Input,
    /// When which line is due, and how many are wanted.
    pub pace: Arc<Pace>,
    /// Longer lines are bad, in bytes.
    pub max_record: usize,
    /// On standard input, an epoch ends after this time even if few lines came.
    pub epoch: Duration,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what}")]
pub struct LinesError {
    what: String,
    #[source]
    source: io::Error,
}

/// What a worker is handed.
#[derive(Debug)]
pub(super) enum Message {
    /// Lines of an epoch.
    Lines(u64, Cut),
    /// Everything before this epoch has been handed out.
    Before(u64),
}

/// Batches a worker may be behind the reader: enough that neither waits for the other's turn.
const BATCHES_AHEAD: usize = 16;

/// The workers' ends of a reader thread.
#[derive(Debug)]
pub struct Lines {
    ends: Vec<Receiver<Message>>,
    wakers: Vec<Sender<Waker>>,
    /// The last epoch that is wanted.
    last: Arc<AtomicU64>,
}

/// Wakes a worker.
pub(super) type Waker = Box<dyn Fn() + Send>;

impl Lines {
    /// Opens the input and starts the thread, which reads for `workers` workers once all of them
    /// are there. `failed` hears of an error while reading, and nothing comes after it.
    ///
    /// # Errors
    /// If the input cannot be opened.
    pub fn start(
        settings: LinesSettings,
        workers: usize,
        failed: impl FnOnce(LinesError) + Send + 'static,
    ) -> Result<Lines, LinesError> {
        let what = match &settings.input {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "standard input".to_owned(),
        };
        let named = what.clone();
        let error = move |source| LinesError { what: named.clone(), source };
        let input = match &settings.input {
            Input::File(path) => {
                // A pipe would be waited for before it is open: asked first.
                let kind = std::fs::metadata(path).map_err(&error)?.file_type();
                if kind.is_dir() {
                    return Err(error(io::Error::other("it is a directory, not a file")));
                }
                if !kind.is_file() {
                    let why = "it is a pipe or a device: give it as standard input, with lines:-";
                    return Err(error(io::Error::other(why)));
                }
                File::open(path).map_err(&error)?
            }
            Input::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(&error)?),
        };
        let (senders, ends) = (0..workers).map(|_| bounded(BATCHES_AHEAD)).unzip();
        let (wakers, waker_ends): (_, Vec<Receiver<Waker>>) =
            (0..workers).map(|_| bounded(1)).unzip();
        let last = Arc::new(AtomicU64::new(u64::MAX));
        let wanted = Arc::clone(&last);
        thread::Builder::new()
            .name("floodway-reader".to_owned())
            .spawn(move || {
                let wakers = waker_ends.iter().filter_map(|end| end.recv().ok()).collect();
                let is_timed = settings.input == Input::Stdin && !settings.pace.is_scheduled();
                let mut reader = Reader {
                    input: settings.input,
                    cutter: Cutter::new(settings.max_record),
                    pace: settings.pace,
                    epochs: Epochs::new(is_timed.then_some(settings.epoch)),
                    senders,
                    wakers,
                    turn: 0,
                    even_end: 0,
                    last: wanted,
                };
                if let Err(source) = reader.read(input) {
                    failed(LinesError { what, source });
                }
                // The end of the input is news too.
                drop(reader.senders);
                reader.wakers.iter().for_each(|wake| wake());
            })
            .map_err(&error)?;
        Ok(Lines { ends, wakers, last })
    }

    /// Worker `index`'s end, and where it leaves its waker.
    pub(super) fn worker(&self, index: usize) -> (Receiver<Message>, Sender<Waker>) {
        (self.ends[index].clone(), self.wakers[index].clone())
    }

    /// The reader stops after epoch `last`; a pipe that has nothing more to give ends it.
    pub fn stop_after(&self, last: u64) {
        self.last.store(last, Relaxed);
    }
}

struct Reader {
    input: Input,
    cutter: Cutter,
    pace: Arc<Pace>,
    epochs: Epochs,
    senders: Vec<Sender<Message>>,
    wakers: Vec<Waker>,
    turn: usize,
    /// A paced batch ends before this line: those before it are due within a moment, evenly.
    even_end: u64,
    last: Arc<AtomicU64>,
}

/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// How long a pipe is waited for before the reader looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

impl Reader {
    fn read(&mut self, mut input: File) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        let is_pipe = self.input == Input::Stdin;
        while !self.is_over() {
            if is_pipe && !self.has_input(&input)? {
                continue;
            }
            let read = match input.read(&mut block) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                self.begin_line();
                self.cutter.finish();
                break;
            }
            let mut rest = &block[..read];
            while !rest.is_empty() && !self.is_over() {
                self.begin_line();
                rest = &rest[self.cutter.feed_line(rest)..];
                let batch = &self.cutter.cut.batch;
                if batch.len() >= BATCH_RECORDS || batch.strings.bytes().len() >= BATCH_BYTES {
                    self.flush();
                }
            }
            if is_pipe {
                self.flush();
            }
        }
        self.flush();
        Ok(())
    }

    /// Whether a pipe has something to read; waits a little, and ends an epoch whose time is over.
    fn has_input(&mut self, input: &File) -> io::Result<bool> {
        let wait = self.epochs.left().map_or(LOOK, |left| left.min(LOOK));
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = [PollFd::new(input, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let stops = self.last.load(Relaxed) < u64::MAX;
        if stops || self.epochs.left().is_some_and(|left| left.is_zero()) {
            self.flush();
            let next = self.epochs.end(stops.then(|| self.last.load(Relaxed)));
            self.tell(next);
        }
        Ok(false)
    }

    /// Whether no further line is wanted.
    fn is_over(&self) -> bool {
        let all = self.pace.end().is_some_and(|end| self.cutter.next_number() >= end);
        all || self.epochs.epoch > self.last.load(Relaxed)
    }

    /// The next line begins, or goes on: if it is in a new epoch, the one before is handed out.
    fn begin_line(&mut self) {
        let next = self.cutter.next_number();
        if !self.epochs.has(next) {
            self.flush();
            let epoch = self.epochs.begin(next, &self.pace);
            self.tell(epoch);
        } else if next < self.even_end {
            return;
        } else {
            self.flush();
        }
        self.even_end = self.pace.moment(next);
    }

    /// Hands what was cut to the next worker.
    fn flush(&mut self) {
        let mut cut = self.cutter.take();
        if cut.batch.is_empty() && cut.bad.is_empty() {
            return;
        }
        let due = |at: usize| self.pace.due(cut.batch.numbers.get(at));
        if !cut.batch.is_empty()
            && let (Some(first), Some(last)) = (due(0), due(cut.batch.len() - 1))
        {
            cut.batch.span = Span { first, last };
        }
        let turn = self.turn % self.senders.len();
        self.turn += 1;
        // A worker that is gone needs nothing more.
        let _ = self.senders[turn].send(Message::Lines(self.epochs.epoch, cut));
        self.wakers[turn]();
    }

    fn tell(&mut self, epoch: u64) {
        for (sender, wake) in self.senders.iter().zip(&self.wakers) {
            let _ = sender.send(Message::Before(epoch));
            wake();
        }
    }
}

/// Which epoch the lines are in.
#[derive(Debug)]
struct Epochs {
    epoch: u64,
    /// The first line that is not in it any more.
    end: u64,
    /// An epoch of a pipe lasts so long at most, from its first line on.
    length: Option<Duration>,
    began: Instant,
}

impl Epochs {
    /// `length` for a pipe without a schedule, whose epochs end with time too.
    fn new(length: Option<Duration>) -> Self {
        Epochs { epoch: 0, end: 0, length, began: Instant::now() }
    }

    fn has(&self, line: u64) -> bool {
        line < self.end
    }

    /// Begins the epoch of `line`.
    fn begin(&mut self, line: u64, pace: &Pace) -> u64 {
        if self.length.is_some() {
            // The epochs are counted as they come, and are as many lines long as the pace says.
            self.epoch += u64::from(line > 0 && self.end > 0);
            self.end = line + pace.epoch(0).1;
            self.began = Instant::now();
        } else {
            (self.epoch, self.end) = pace.epoch(line);
        }
        self.epoch
    }

    /// How long an epoch that has begun may still last, if that is bounded.
    fn left(&self) -> Option<Duration> {
        let length = self.length.filter(|_| self.end > 0)?;
        Some(length.saturating_sub(self.began.elapsed()))
    }

    /// Ends the epoch before its lines are complete, and all up to `last` if the input is to stop
    /// there; answers the next one.
    fn end(&mut self, last: Option<u64>) -> u64 {
        self.end = 0;
        self.epoch = (self.epoch + 1).max(last.map_or(0, |last| last + 1));
        self.epoch
    }
}
