//! Stages that make partial aggregates.

use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::Stream;

use super::Job;
use super::declare::Remote;
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
    /// How often each word occurs:
    /// ```no_run
    /// use std::collections::BTreeMap;
    ///
    /// use floodway::merge::Count;
    /// use floodway::task::Rows;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     floodway::app("words")
    ///         .dataflow(|job, lines| {
    ///             let texts = job.parse(lines, |line| Ok(line.to_owned()));
    ///             let counts = job.aggregate("count", texts, |text: &String, rows: &mut Rows<_, _>| {
    ///                 for word in text.split_whitespace() {
    ///                     rows.add(word.to_owned(), Count(1));
    ///                 }
    ///                 Ok(())
    ///             });
    ///             Ok(job.json_lines(counts))
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
}
