//! Merges stored rows of a stage, whose types its operator knows.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::state_file::{BlockWriter, MergeRows, ShardHeader, StateFileError, StateReader};
use crate::window::{EventFrontier, Row, Store};

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
    fn merge(
        &self,
        parts: &mut dyn Iterator<Item = (usize, u64, ShardHeader)>,
        files: &mut [StateReader],
        over: Option<EventFrontier>,
        block: &mut BlockWriter,
    ) -> Result<(), StateFileError> {
        let mut store = (self.empty)();
        for (file, at, shard) in parts {
            let rows = files[file].rows(at, &shard)?;
            rows.into_iter().for_each(|row| store.restore(row));
        }
        if let Some(frontier) = over {
            store.forget(frontier.time());
        }
        let mut result = Ok(());
        store.rows(&mut |key, first, last, value| {
            if result.is_ok() {
                result = block.add(key, &Row { key, first, last, value });
            }
        });
        result.map_err(|source| StateFileError::Row { stage: self.stage.clone(), source })
    }
}
