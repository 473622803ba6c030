//! Sends lines to workers, with their epochs and due times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::LinesError;
use super::epochs::Epochs;
use super::line_splitter::{Block, LineSplitter};
use super::offsets::{EpochOffsets, LineOffset};
use super::opened::Opened;
use super::position::FilePosition;
use super::tracked_file::TrackedFile;
use crate::batch::{Batch, Header, Span};
use crate::source::Pace;
use crate::source::channel::{BatchSender, Message};

/// Splits the bytes of a reader into lines, and sends the lines to its workers.
pub(super) struct Emitter {
    pub line_splitter: LineSplitter,
    pub pace: Arc<Pace>,
    pub epochs: Epochs,
    pub ends: Vec<BatchSender>,
    /// The last epoch that is read.
    pub last: Arc<AtomicU64>,
    /// Where positions are noted, if a commit can record them.
    pub epoch_offsets: Option<Arc<EpochOffsets>>,
    /// The end of what was read of the current file, if positions are noted.
    pub tracked_file: Option<TrackedFile>,
    /// Counts batches. It says which worker is next.
    turn: usize,
    /// The batch ends before this line. The lines before it are due within a millisecond, evenly spread.
    even_end: u64,
    /// The index and the name of the current file.
    file: usize,
    label: Option<Arc<str>>,
    header: FileHeader,
    /// The difference between the number of a line among all lines and its number in an output line.
    base: u64,
    /// The number of lines that were read from other files with the same path.
    before: u64,
    /// The number of bytes of the file that were split.
    at: u64,
    /// Whether a worker has ended. Then the run ends, and nobody needs more lines.
    is_abandoned: bool,
}

/// The first line of the current file.
enum FileHeader {
    /// The next line.
    Next,
    /// This line. None if it is bad.
    Known(Option<Arc<Header>>),
}

impl Emitter {
    pub(super) fn new(
        line_splitter: LineSplitter,
        pace: Arc<Pace>,
        epochs: Epochs,
        ends: Vec<BatchSender>,
        last: Arc<AtomicU64>,
    ) -> Self {
        Emitter {
            // A run that fails before its workers have started drops their receivers.
            is_abandoned: ends.is_empty(),
            line_splitter,
            pace,
            epochs,
            ends,
            last,
            epoch_offsets: None,
            tracked_file: None,
            turn: 0,
            even_end: 0,
            file: 0,
            label: None,
            header: FileHeader::Next,
            base: 0,
            before: 0,
            at: 0,
        }
    }

    /// Continues at `offset`, in a file called `label`, after `before` lines of other files with the same path.
    pub(super) fn go_to(&mut self, offset: LineOffset, label: Option<Arc<str>>, before: u64) {
        self.flush();
        self.header = FileHeader::Next;
        let number = before + offset.lines;
        self.line_splitter.number_from(number);
        (self.file, self.label, self.before) = (offset.file, label, before);
        (self.at, self.base) = (offset.bytes, offset.line - number);
    }

    /// Continues in a file whose position is noted.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn go_to_file(
        &mut self,
        tracked_file: TrackedFile,
        offset: LineOffset,
    ) -> Result<(), LinesError> {
        self.go_to(offset, tracked_file.opened.found.label.clone(), tracked_file.before);
        if offset.bytes > 0 {
            let line = tracked_file.opened.first_line(self.line_splitter.max_record())?;
            self.has_header(line.map(|line| Arc::new(Header { line, number: None })));
        }
        self.tracked_file = Some(tracked_file);
        Ok(())
    }

    /// Sets the first line of the current file.
    pub(super) fn has_header(&mut self, header: Option<Arc<Header>>) {
        self.header = FileHeader::Known(header);
    }

    /// Returns the position of the current line in the current file.
    pub(super) fn position(&self) -> Option<FilePosition> {
        let LineOffset { bytes, lines, .. } = self.offset();
        self.tracked_file.as_ref().map(|tracked_file| tracked_file.position(bytes, lines))
    }

    /// Continues in `copy`, a copy of the current file.
    pub(super) fn goes_on_in(&mut self, copy: &Opened) {
        if let Some(tracked_file) = &mut self.tracked_file {
            tracked_file.opened = copy.clone();
        }
    }

    /// Returns the position of the current file, which was read to its end.
    pub(super) fn end_of_file(&self) -> Option<FilePosition> {
        let LineOffset { bytes, lines, .. } = self.offset();
        self.tracked_file.as_ref().map(|tracked_file| tracked_file.end(bytes, lines))
    }

    /// Fails if the current file is not what was read. `is_end` says that it was read to its end.
    pub(super) fn is_unchanged(&self, is_end: bool) -> Result<(), LinesError> {
        self.tracked_file
            .as_ref()
            .map_or(Ok(()), |tracked_file| tracked_file.is_unchanged(self.at, is_end))
    }

    /// Whether the current file still has the first and the last bytes that were read.
    pub(super) fn is_there(&self) -> bool {
        self.tracked_file.as_ref().is_none_or(|tracked_file| tracked_file.is_there(self.at))
    }

    /// Fails if the current file has lost bytes and still has the first ones that were read.
    pub(super) fn is_begun_anew(&self) -> Result<(), LinesError> {
        self.tracked_file
            .as_ref()
            .map_or(Ok(()), |tracked_file| tracked_file.is_begun_anew(self.at))
    }

    /// Returns the number of the next line, among the lines of all files.
    pub(super) fn line(&self) -> u64 {
        self.base + self.line_splitter.next_number()
    }

    /// Returns the offset of the current line.
    pub(super) fn offset(&self) -> LineOffset {
        LineOffset {
            file: self.file,
            bytes: self.at - self.line_splitter.unfinished(),
            lines: self.line_splitter.next_number() - self.before,
            line: self.line(),
            ..LineOffset::default()
        }
    }

    /// Returns the number of bytes of the file that were split.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether no further line is read.
    pub(super) fn is_over(&self) -> bool {
        self.is_abandoned
            || self.pace.end().is_some_and(|end| self.line() >= end)
            || self.epochs.epoch() > self.last.load(Relaxed)
    }

    /// Whether the run stops at some epoch.
    pub(super) fn stops(&self) -> bool {
        self.last.load(Relaxed) < u64::MAX
    }

    /// Splits bytes into lines, and sends full batches. It stops early if no further line is read.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut block = Block::new(bytes, self.line_splitter.unfinished() > 0);
        while !block.is_empty() && !self.is_over() {
            let taken = self.feed_some(block);
            block = block.behind(taken);
        }
    }

    /// Takes bytes up to the end of the line that has begun. Returns whether the line has ended.
    pub(super) fn feed_line(&mut self, bytes: &[u8]) -> bool {
        if self.is_over() {
            return true;
        }
        self.begin_line();
        let most = 1;
        let taken = self.line_splitter.feed(Block::new(bytes, true), most);
        self.at += taken as u64;
        self.line_splitter.unfinished() == 0
    }

    fn feed_some(&mut self, block: Block<'_>) -> usize {
        self.begin_line();
        let end = self.epochs.end().min(self.even_end).min(self.pace.end().unwrap_or(u64::MAX));
        let taken = self.line_splitter.feed(block, end.saturating_sub(self.line()).max(1));
        self.at += taken as u64;
        if let Some(tracked_file) = &mut self.tracked_file {
            let lines = taken.saturating_sub(self.line_splitter.unfinished() as usize);
            tracked_file.extend(&block.bytes()[..taken], lines);
        }
        if self.line_splitter.is_full() {
            self.flush();
        }
        taken
    }

    /// Ends the file. The bytes after the last line break are a line.
    pub(super) fn finish(&mut self) {
        if self.line_splitter.unfinished() > 0 && !self.is_over() {
            self.begin_line();
            self.line_splitter.finish();
            if let Some(tracked_file) = &mut self.tracked_file {
                tracked_file.end_line();
            }
        }
    }

    /// Begins or continues the next line. If it is in a new epoch, this ends the epoch before.
    fn begin_line(&mut self) {
        let next = self.line();
        if next >= self.epochs.end() {
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

    /// Returns how long the reader may wait for input before it calls [`Emitter::tick`], at most `most`.
    pub(super) fn wait_limit(&self, most: Duration) -> Duration {
        self.epochs.left().map_or(most, |left| left.min(most))
    }

    /// Ends the epoch if its time is over. If there is no input at the moment (`idle`) and the run stops, this ends all
    /// epochs that the run waits for.
    pub(super) fn tick(&mut self, idle: bool) {
        let stops = idle && self.stops();
        if stops || self.epochs.left().is_some_and(|left| left.is_zero()) {
            self.flush();
            let last = stops.then(|| self.last.load(Relaxed));
            let next = self.epochs.end_early(last);
            self.tell(next);
        }
    }

    /// Sends the batch to the next worker.
    pub(super) fn flush(&mut self) {
        let mut batch = self.line_splitter.take();
        if batch.is_empty() {
            return;
        }
        let due = |at: usize| self.pace.due(self.base + batch.batch.numbers.get(at));
        if !batch.batch.is_empty()
            && let (Some(first), Some(last)) = (due(0), due(batch.batch.len() - 1))
        {
            batch.batch.span = Span { first, last };
        }
        if let Some(label) = &self.label {
            batch.batch.label = Some(Arc::clone(label));
            batch.bad.iter_mut().for_each(|bad| bad.record.label = Some(Arc::clone(label)));
        }
        batch.batch.header = self.header_of(&batch.batch);
        let turn = self.turn % self.ends.len();
        self.turn += 1;
        let epoch = self.epochs.epoch();
        // Sending fails if the worker has ended.
        self.is_abandoned |= !self.ends[turn].send(Message::Records(epoch, batch));
    }

    /// Returns the first line of the current file. `batch` has the next good lines of the file.
    fn header_of(&mut self, batch: &Batch) -> Option<Arc<Header>> {
        match &self.header {
            FileHeader::Known(header) => header.clone(),
            FileHeader::Next => {
                let number = self.before;
                let is_good = !batch.is_empty() && batch.numbers.get(0) == number;
                let line = is_good.then(|| batch.strings.text(0).into());
                let header = line.map(|line| Arc::new(Header { line, number: Some(number) }));
                self.has_header(header.clone());
                header
            }
        }
    }

    /// Tells all workers that all lines before `epoch` were sent.
    pub(super) fn tell(&mut self, epoch: u64) {
        if let Some(epoch_offsets) = &self.epoch_offsets {
            epoch_offsets.begin(epoch, self.line(), self.position());
        }
        for end in &self.ends {
            end.send(Message::Before(epoch));
        }
    }

    /// Sends the last batch, notes the last position, and ends the streams of the workers.
    pub(super) fn close(mut self) {
        self.flush();
        if let Some(epoch_offsets) = &self.epoch_offsets {
            epoch_offsets.begin(u64::MAX, self.line(), self.position());
        }
        self.ends.into_iter().for_each(BatchSender::close);
    }

    /// Keeps the streams of the workers open after a read error. Otherwise the error would look like the end of the
    /// input, and the last epoch would be committed without the missing lines.
    pub(super) fn fail(self) {
        std::mem::forget(self.ends);
    }
}
