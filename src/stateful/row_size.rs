//! How large what is held is, by some rows.

use serde::Serialize;

/// The mean length of the rows that a stage holds, as they are stored. It is that of some of them, of which the later ones
/// count more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowSize(Option<f64>);

impl RowSize {
    /// Measures a row.
    pub(super) fn sample(&mut self, row: &impl Serialize) {
        // One that cannot be stored is found when it is written.
        let Ok(bytes) = postcard::to_stdvec(row) else { return };
        let bytes = bytes.len() as f64;
        self.0 = Some(self.0.map_or(bytes, |mean| mean + (bytes - mean) / 4.0));
    }

    /// Returns about how many bytes so many rows take.
    pub(super) fn of(self, rows: u64) -> u64 {
        /// What a table holds besides each key and value, in bytes.
        const OVERHEAD: f64 = 32.0;
        (rows as f64 * (self.0.unwrap_or(0.0) + OVERHEAD)) as u64
    }
}
