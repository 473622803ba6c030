//! Merges stored rows of a stage, whose types its operator knows.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::state_file::{
    BlockWriter, MergeRows, MergeShard, Over, Parts, StateFileError, StateReader,
};
use crate::window::{Row, Store};

/// Merges the rows of stores that `empty` makes.
struct RowsOf<S, F> {
    stage: String,
    empty: F,
    store: PhantomData<fn() -> S>,
}

/// Returns what merges the stored rows of a stage. `empty` returns an empty store of it.
pub(crate) fn merge_rows<S: Store>(
    stage: &str,
    empty: impl Fn() -> S + Send + Sync + 'static,
) -> Arc<dyn MergeRows> {
    Arc::new(RowsOf { stage: stage.to_owned(), empty, store: PhantomData })
}

impl<S: Store, F: Fn() -> S + Send + Sync> MergeRows for RowsOf<S, F> {
    fn begin(&self) -> Box<dyn MergeShard> {
        Box::new(Merging { stage: self.stage.clone(), store: (self.empty)() })
    }
}

/// Merges shards in a store that is empty in between.
struct Merging<S> {
    stage: String,
    store: S,
}

impl<S: Store> MergeShard for Merging<S> {
    fn merge(
        &mut self,
        shard: &Parts,
        files: &mut [StateReader],
        over: Over,
        block: &mut BlockWriter,
    ) -> Result<(), StateFileError> {
        let Merging { stage, store } = self;
        let frontier = over.frontier.time();
        for (file, at, header) in &shard.parts {
            files[*file].each_row(*at, header, |row: Row<S::Key, S::Value>| {
                if !store.is_over(row.last, frontier) {
                    store.restore(row);
                }
            })?;
        }
        if over.are_all {
            store.forget(frontier);
        }
        let mut result = Ok(());
        store.rows(&mut |key, first, last, value| {
            if result.is_ok() {
                result = block.add_to(shard.number, &Row { key, first, last, value });
            }
        });
        store.clear();
        result.map_err(|source| StateFileError::Row { stage: stage.clone(), source })
    }
}
