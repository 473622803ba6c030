//! Stages that make partial aggregates.

use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::Stream;

use super::declare::Remote;
use super::{Job, Lines};
use crate::merge::Merge;
use crate::operators::{in_chunks, rows_of};
use crate::task::{self, Code, Rows};

impl<'scope> Job<'scope> {
    /// Adds a stage that makes rows of keys and values of each record, on this worker, on an idle one, or in a function.
    /// Returns the rows, under the timestamps of their records. Values of one key are merged before they travel, but a key
    /// may still come several times, on any worker: exchange the rows by their keys, and [merge](Merge) their values.
    ///
    /// A record for which `compute` returns a code is a dead letter, and the rows that were added for it do not count.
    /// `compute` is pure, like that of [`Job::burst`]. Records are sent in chunks of up to
    /// [`CHUNK_RECORDS`](crate::batch::CHUNK_RECORDS).
    ///
    /// # Examples
    /// The highest bid of each auction:
    /// ```no_run
    /// use floodway::merge::Max;
    /// use floodway::task::Rows;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     floodway::app("highest")
    ///         .dataflow(|job, lines| {
    ///             let bids = job.json::<(u64, u64)>(lines);
    ///             let highest = job.aggregate("highest", bids, |bid, rows: &mut Rows<u64, Max<u64>>| {
    ///                 rows.add(bid.0, Max(bid.1));
    ///                 Ok(())
    ///             });
    ///             Ok(job.json_lines(highest))
    ///         })
    ///         .main()
    /// }
    /// ```
    pub fn aggregate<T, K, V, F>(
        &mut self,
        name: &str,
        records: Stream<'scope, u64, Vec<T>>,
        compute: F,
    ) -> Stream<'scope, u64, Vec<(K, V)>>
    where
        F: Fn(&T, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        K: Hash + Eq + Serialize + DeserializeOwned + Clone + Send + 'static,
        V: Merge + PartialEq + Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let task = Arc::new(task::aggregate(name, compute));
        let function = Arc::clone(&task);
        let remote = Remote::Function(Box::new(move || function.clone()));
        rows_of(self.stage(name, in_chunks(records), task, remote))
    }

    /// Does the same as [`Job::aggregate`] with lines, before they are parsed: a function parses them too, and nothing is
    /// allocated for a line. A line for which `compute` returns a code is a dead letter with its number.
    ///
    /// # Examples
    /// How often each word occurs:
    /// ```no_run
    /// use floodway::merge::Count;
    /// use floodway::task::Rows;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     floodway::app("words")
    ///         .dataflow(|job, lines| {
    ///             let counts = job.aggregate_lines("count", lines, |line, rows: &mut Rows<_, _>| {
    ///                 for word in line.split_whitespace() {
    ///                     rows.add(word.to_owned(), Count(1));
    ///                 }
    ///                 Ok(())
    ///             });
    ///             Ok(job.json_lines(counts))
    ///         })
    ///         .main()
    /// }
    /// ```
    pub fn aggregate_lines<K, V, F>(
        &mut self,
        name: &str,
        lines: Lines<'scope>,
        compute: F,
    ) -> Stream<'scope, u64, Vec<(K, V)>>
    where
        F: Fn(&str, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
        K: Hash + Eq + Serialize + DeserializeOwned + Clone + Send + 'static,
        V: Merge + PartialEq + Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let task = Arc::new(task::aggregate_text(name, compute));
        let function = Arc::clone(&task);
        let remote = Remote::Function(Box::new(move || function.clone()));
        rows_of(self.stage(name, in_chunks(lines), task, remote))
    }
}
