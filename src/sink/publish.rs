//! The interface to a system that committed lines are published to.

use std::error::Error;

/// Publishes lines exactly once, in transactions that record how many lines were published.
pub trait Publish: Send {
    /// Returns the name of the destination for messages.
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

    /// Does housekeeping. It is called every second while there is nothing to publish.
    fn idle(&mut self) {}

    /// Ends the open transaction: there are no more lines at the moment.
    fn pause(&mut self) -> Result<(), PublishError> {
        Ok(())
    }
}

/// The reason why lines were not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A later try may succeed.
    #[error("{0}")]
    Transient(String),
    /// No later try will succeed.
    #[error(transparent)]
    Permanent(#[from] Box<dyn Error + Send + Sync>),
}
