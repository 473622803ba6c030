//! The interface to a system that committed lines are published to.

use std::error::Error;

/// Publishes lines exactly once, in transactions that record how many lines were published.
pub trait Publish: Send {
    /// Returns the name of the destination for messages.
    fn name(&self) -> String;

    /// Aborts a transaction that was begun and not ended, and returns how many lines of this output have been taken.
    /// It is called before the first lines, and after an error of [`Publish::publish`].
    ///
    /// # Errors
    /// If the number is not known.
    fn taken(&mut self) -> Result<u64, PublishError>;

    /// Publishes whole lines of text, each with its line break, and records with them that `up_to` lines have been
    /// taken.
    ///
    /// # Errors
    /// If the lines were not taken, or it is not known whether they were.
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
