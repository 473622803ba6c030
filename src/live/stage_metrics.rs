//! The metrics of the stages.

use std::fmt::Error;

use prometheus_client::encoding::EncodeCounterValue;
use prometheus_client::registry::Unit;

use super::metrics::{COUNTER, GAUGE, NO_EXEMPLAR, Page, seconds, secs};
use super::sample::StageSample;
use super::stage_view::StageView;
use crate::observe::StageTotals;

impl Page<'_> {
    /// A counter of each stage.
    fn of_stages<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        stages: &[StageSample],
        value: impl Fn(&StageTotals) -> V,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), COUNTER)?;
        stages.iter().try_for_each(|StageSample { counts, .. }| {
            let labels = [("stage", counts.name.as_str())];
            metric.encode_family(&labels)?.encode_counter(&value(&counts.totals), NO_EXEMPLAR)
        })
    }

    pub(super) fn stages(&mut self, stages: &[StageSample]) -> Result<(), Error> {
        let (name, help) =
            ("floodway_stage_received_records", "Records that have arrived at a stage.");
        self.of_stages(name, None, help, stages, |stage| stage.received)?;
        let help = "Time that workers spent in a stage's task, by the clock.";
        self.of_stages("floodway_stage_task", seconds(), help, stages, |stage| {
            secs(stage.useful_ns)
        })?;
        let help = "Cost of a stage's requests, in US dollars.";
        self.of_stages("floodway_stage_cost_usd", None, help, stages, |stage| stage.usd)?;
        let help = "Records that a stage has done, by where. local: by workers.";
        let mut metric = self.0.encode_descriptor("floodway_stage_records", help, None, COUNTER)?;
        for StageSample { counts, .. } in stages {
            let StageTotals { local, remote, bad, .. } = counts.totals;
            for (of, records) in [("local", local), ("remote", remote), ("bad", bad)] {
                let labels = [("stage", counts.name.as_str()), ("where", of)];
                metric.encode_family(&labels)?.encode_counter(&records, NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    /// A gauge of each stage that has it.
    fn stage_gauge(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        stages: &[StageView],
        value: impl Fn(&StageView) -> Option<f64>,
    ) -> Result<(), Error> {
        let known = stages.iter().filter_map(|stage| Some((&stage.name, value(stage)?)));
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), GAUGE)?;
        known.into_iter().try_for_each(|(name, value)| {
            metric.encode_family(&[("stage", name.as_str())])?.encode_gauge(&value)
        })
    }

    pub(super) fn stage_views(&mut self, stages: &[StageView]) -> Result<(), Error> {
        let help = "Records that a stage holds: queued or in flight.";
        self.stage_gauge("floodway_stage_backlog_records", None, help, stages, |stage| {
            Some((stage.queued + stage.in_flight) as f64)
        })?;
        let help = "Records of a stage that are in flight.";
        self.stage_gauge("floodway_stage_in_flight_records", None, help, stages, |stage| {
            Some(stage.in_flight as f64)
        })?;
        let help = "Workers that a stage would keep busy if no stage limited the rate of another one and nothing was \
                    sent, by the last two seconds.";
        self.stage_gauge("floodway_stage_needed_workers", None, help, stages, |stage| {
            stage.needs_workers
        })?;
        let help = "1 for the stage that is the bottleneck, by the last two seconds.";
        self.stage_gauge("floodway_stage_is_bottleneck", None, help, stages, |stage| {
            Some(f64::from(u8::from(stage.is_bottleneck)))
        })?;
        let help = "How long ago the oldest epoch ended that is not complete at a stage.";
        self.stage_gauge("floodway_stage_lag", seconds(), help, stages, |stage| stage.lag_s)
    }
}
