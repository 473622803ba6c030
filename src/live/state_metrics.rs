//! The metrics of the stages with state.

use std::fmt::Error;

use prometheus_client::registry::Unit;

use super::metrics::{COUNTER, GAUGE, NO_EXEMPLAR, Page};
use crate::observe::StateTotals;

type Value = fn(&StateTotals) -> u64;

impl Page<'_> {
    /// Figures of the stages with state, if there are any.
    pub(super) fn states(&mut self, states: &[StateTotals]) -> Result<(), Error> {
        if states.is_empty() {
            return Ok(());
        }
        let gauges: [(&str, Option<Unit>, &str, Value); 2] = [
            (
                "floodway_state_keys",
                None,
                "Keys that a stage holds, each counted once for each of its panes.",
                |it| it.keys,
            ),
            ("floodway_state", Some(Unit::Bytes), "Size of what a stage holds, estimated.", |it| {
                it.bytes
            }),
        ];
        for (name, unit, help, value) in gauges {
            let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), GAUGE)?;
            for state in states {
                let labels = [("stage", state.name.as_str())];
                metric.encode_family(&labels)?.encode_gauge(&(value(state) as f64))?;
            }
        }
        let counters: [(&str, Option<Unit>, &str, Value); 3] = [
            (
                "floodway_state_merged_rows",
                None,
                "Rows that a stage has merged into its state.",
                |it| it.merged_rows,
            ),
            (
                "floodway_state_late_rows",
                None,
                "Rows that came too late for their windows.",
                |it| it.late_rows,
            ),
            (
                "floodway_state_written",
                Some(Unit::Bytes),
                "Bytes written of a stage's state.",
                |it| it.written_bytes,
            ),
        ];
        for (name, unit, help, value) in counters {
            let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), COUNTER)?;
            for state in states {
                let labels = [("stage", state.name.as_str())];
                metric.encode_family(&labels)?.encode_counter(&value(state), NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }
}
