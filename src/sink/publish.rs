//! The border to whatever committed lines are published to.

use std::error::Error;

/// Takes lines, each once: in transactions that note how many have been taken.
pub trait Publish: Send {
    /// What it is called in messages.
    fn name(&self) -> String;

    /// How many lines of this output have been taken, after whatever was begun before and not ended is
    /// given up. Asked for before the first lines, and after lines that may have been taken or not.
    ///
    /// # Errors
    /// If it does not say.
    fn taken(&mut self) -> Result<u64, PublishError>;

    /// Takes whole lines of text, each with its end, and notes with them that it has taken `up_to` lines.
    ///
    /// # Errors
    /// If they were not taken, or that is not known.
    fn publish(&mut self, lines: &[u8], up_to: u64) -> Result<(), PublishError>;

    /// It is called every second while there is nothing to publish, for whatever piles up meanwhile.
    fn idle(&mut self) {}

    /// There is nothing more just now.
    fn pause(&mut self) -> Result<(), PublishError> {
        Ok(())
    }
}

/// Why lines were not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It may be different later.
    #[error("{0}")]
    Transient(String),
    /// It will not.
    #[error(transparent)]
    Permanent(#[from] Box<dyn Error + Send + Sync>),
}
