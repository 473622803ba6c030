//! Lines on their way to workers: cut, put into epochs, timed, and handed out.

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
use crate::batch::Span;
use crate::source::Pace;
use crate::source::channel::{BatchSender, Message};

/// A reader's way to its workers.
pub(super) struct Emitter {
    pub line_splitter: LineSplitter,
    pub pace: Arc<Pace>,
    pub epochs: Epochs,
    pub ends: Vec<BatchSender>,
    /// The reader stops after this epoch.
    pub last: Arc<AtomicU64>,
    /// Where it is noted what has been read before each epoch.
    pub epoch_offsets: Option<Arc<EpochOffsets>>,
    /// What was read last of the file at hand, where that is noted.
    pub tracked_file: Option<TrackedFile>,
    turn: usize,
    /// A paced batch ends before this line: those before it are due within a moment, evenly.
    even_end: u64,
    file: usize,
    label: Option<Arc<str>>,
    /// Lines in the files before this one.
    base: u64,
    /// Lines of other files that have this one's name.
    before: u64,
    /// Bytes of the file that were given to the cutter.
    at: u64,
    /// The worker whose turn it is is gone.
    is_abandoned: bool,
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
            // A run that fails before its workers are there lets go of their ends.
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
            base: 0,
            before: 0,
            at: 0,
        }
    }

    /// Goes on at `offset`; `before` lines of other files have the same name, `label`.
    pub(super) fn go_to(&mut self, offset: LineOffset, label: Option<Arc<str>>, before: u64) {
        self.flush();
        let number = before + offset.lines;
        self.line_splitter.number_from(number);
        (self.file, self.label, self.before) = (offset.file, label, before);
        (self.at, self.base) = (offset.bytes, offset.line - number);
    }

    /// Goes on in a file whose position is noted.
    pub(super) fn go_to_file(&mut self, tracked_file: TrackedFile, offset: LineOffset) {
        self.go_to(offset, tracked_file.opened.found.label.clone(), tracked_file.before);
        self.tracked_file = Some(tracked_file);
    }

    /// The position of the line at hand in the file at hand.
    pub(super) fn position(&self) -> Option<FilePosition> {
        let LineOffset { bytes, lines, .. } = self.offset();
        self.tracked_file.as_ref().map(|tracked_file| tracked_file.position(bytes, lines))
    }

    /// What was read of the file at hand is read on in `copy`.
    pub(super) fn goes_on_in(&mut self, copy: &Opened) {
        if let Some(tracked_file) = &mut self.tracked_file {
            tracked_file.opened = copy.clone();
        }
    }

    /// The position of the file at hand, which was read to its end.
    pub(super) fn end_of_file(&self) -> Option<FilePosition> {
        let LineOffset { bytes, lines, .. } = self.offset();
        self.tracked_file.as_ref().map(|tracked_file| tracked_file.end(bytes, lines))
    }

    /// Refuses the file at hand if it is not what was read; `is_end` if it was read to its end.
    pub(super) fn is_unchanged(&self, is_end: bool) -> Result<(), LinesError> {
        self.tracked_file
            .as_ref()
            .map_or(Ok(()), |tracked_file| tracked_file.is_unchanged(self.at, is_end))
    }

    /// Whether the file at hand still has what was read of it.
    pub(super) fn is_there(&self) -> bool {
        self.tracked_file.as_ref().is_none_or(|tracked_file| tracked_file.is_there(self.at))
    }

    /// Refuses the file at hand if it has lost bytes and still has the first ones that were read.
    pub(super) fn is_begun_anew(&self) -> Result<(), LinesError> {
        self.tracked_file
            .as_ref()
            .map_or(Ok(()), |tracked_file| tracked_file.is_begun_anew(self.at))
    }

    /// The next line's number among the lines of all files.
    pub(super) fn line(&self) -> u64 {
        self.base + self.line_splitter.next_number()
    }

    /// Where the line at hand begins.
    pub(super) fn offset(&self) -> LineOffset {
        LineOffset {
            file: self.file,
            bytes: self.at - self.line_splitter.unfinished(),
            lines: self.line_splitter.next_number() - self.before,
            line: self.line(),
            ..LineOffset::default()
        }
    }

    /// Bytes of the file that were taken.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether no further line is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.is_abandoned
            || self.pace.end().is_some_and(|end| self.line() >= end)
            || self.epochs.epoch() > self.last.load(Relaxed)
    }

    /// Whether the run was told to stop at some epoch.
    pub(super) fn stops(&self) -> bool {
        self.last.load(Relaxed) < u64::MAX
    }

    /// Cuts bytes into lines and hands out the batches that are full; stops early if it is over.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut block = Block::new(bytes, self.line_splitter.unfinished() > 0);
        while !block.is_empty() && !self.is_over() {
            let taken = self.feed_some(block);
            block = block.behind(taken);
        }
    }

    /// The same up to the end of the first line, which began before; answers whether it ended.
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

    /// Ends the file: what came after its last line's end is a line.
    pub(super) fn finish(&mut self) {
        if self.line_splitter.unfinished() > 0 && !self.is_over() {
            self.begin_line();
            self.line_splitter.finish();
            if let Some(tracked_file) = &mut self.tracked_file {
                tracked_file.end_line();
            }
        }
    }

    /// The next line begins, or goes on: if it is in a new epoch, the one before is handed out.
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

    /// How long input may be waited for before [`Emitter::tick`] has something to do.
    pub(super) fn patience(&self, most: Duration) -> Duration {
        self.epochs.left().map_or(most, |left| left.min(most))
    }

    /// Time has passed: an epoch may be over. `idle` if there is no input just now: then a run that
    /// stops has all that it will get.
    pub(super) fn tick(&mut self, idle: bool) {
        let stops = idle && self.stops();
        if stops || self.epochs.left().is_some_and(|left| left.is_zero()) {
            self.flush();
            let last = stops.then(|| self.last.load(Relaxed));
            let next = self.epochs.end_early(last);
            self.tell(next);
        }
    }

    /// Hands what was cut to the next worker.
    pub(super) fn flush(&mut self) {
        let mut cut = self.line_splitter.take();
        if cut.is_empty() {
            return;
        }
        let due = |at: usize| self.pace.due(self.base + cut.batch.numbers.get(at));
        if !cut.batch.is_empty()
            && let (Some(first), Some(last)) = (due(0), due(cut.batch.len() - 1))
        {
            cut.batch.span = Span { first, last };
        }
        if let Some(label) = &self.label {
            cut.batch.label = Some(Arc::clone(label));
            cut.bad.iter_mut().for_each(|bad| bad.record.label = Some(Arc::clone(label)));
        }
        let turn = self.turn % self.ends.len();
        self.turn += 1;
        let epoch = self.epochs.epoch();
        // A worker that is gone wants nothing more, and then nobody does.
        self.is_abandoned |= !self.ends[turn].send(Message::Records(epoch, cut));
    }

    /// Says to all that everything before `epoch` has been handed out.
    pub(super) fn tell(&mut self, epoch: u64) {
        if let Some(epoch_offsets) = &self.epoch_offsets {
            epoch_offsets.begin(epoch, self.line(), self.position());
        }
        for end in &self.ends {
            end.send(Message::Before(epoch));
        }
    }

    /// The end of the input is news too.
    pub(super) fn close(mut self) {
        self.flush();
        if let Some(epoch_offsets) = &self.epoch_offsets {
            epoch_offsets.begin(u64::MAX, self.line(), self.position());
        }
        self.ends.into_iter().for_each(BatchSender::close);
    }

    /// The input failed: what it had is not all there was, so it must not look as if it had ended,
    /// or the last epoch would be committed without the lines that are missing.
    pub(super) fn fail(self) {
        std::mem::forget(self.ends);
    }
}
