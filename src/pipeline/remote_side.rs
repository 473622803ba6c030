//! Starts the remote side of a run: the embedded Lambda, if there is one, and the bridges to the function and to the
//! services that are called.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Endpoint, RunError, Settings, TimelySettings};
use crate::bridge::{self, Bridge, BridgeError, SettingsError};
use crate::descriptors;
use crate::emulator;
use crate::observe::CallCounters;
use crate::policy::Sends;
use crate::units::show_duration;

/// The longest time that a run waits for the first answers of the remote side before it starts.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The remote side. The first two fields are none if nothing is sent to a function.
#[derive(Default)]
pub(super) struct RemoteSide {
    /// The embedded Lambda.
    pub lambda: Option<Arc<emulator::Server>>,
    /// The bridge to the function.
    pub bridge: Option<Bridge>,
    /// The bridges to the services that are called.
    pub calls: Vec<Call>,
}

/// The bridge of a call.
pub(super) struct Call {
    /// The name of the call, which is that of its stage.
    pub name: String,
    pub bridge: Bridge,
}

impl Call {
    /// Returns what its bridge has counted.
    pub(super) fn counters(&self) -> CallCounters {
        let (name, endpoint) = (self.name.clone(), self.bridge.endpoint());
        CallCounters { name, endpoint, counters: self.bridge.counters() }
    }
}

impl RemoteSide {
    /// Starts the remote side, and waits until its latency is known or [`PROBE_TIMEOUT`] is over: nothing is
    /// sent before. Earlier runs have spent `spent` US dollars.
    ///
    /// # Errors
    /// If the Lambda or the bridge cannot be started.
    pub(super) fn start(settings: &Settings, spent: f64) -> Result<RemoteSide, RunError> {
        let mut remote = RemoteSide { calls: start_calls(settings)?, ..RemoteSide::default() };
        if settings.is_bursting() {
            remote.start_function(settings, spent)?;
        }
        let began = Instant::now();
        for call in &remote.calls {
            call.bridge.wait_for_probes(PROBE_TIMEOUT.saturating_sub(began.elapsed()));
        }
        Ok(remote)
    }

    /// Starts the bridge to the function, and the embedded Lambda.
    fn start_function(&mut self, settings: &Settings, spent: f64) -> Result<(), RunError> {
        let (lambda, endpoint) = match &settings.endpoint {
            Endpoint::Remote(endpoint) => (None, endpoint.clone()),
            Endpoint::Embedded(model) => {
                let listener = TcpListener::bind("127.0.0.1:0").map_err(RunError::Lambda)?;
                let function = settings.dataflow.function();
                let server = emulator::Server::hosting(listener, model.clone(), function)
                    .map_err(RunError::Lambda)?;
                let endpoint = bridge::Endpoint::url(&server.url())
                    .map_err(|error| BridgeError::Settings(SettingsError::Endpoint(error)))?;
                (Some(Arc::new(server)), endpoint)
            }
        };
        // This process has both ends of each connection to an embedded Lambda.
        let descriptors_each = if lambda.is_some() { 2 } else { 1 };
        let bridge = Bridge::start(bridge_settings(settings, endpoint, spent, descriptors_each))?;
        let offers = || settings.dataflow.served().map(|stage| stage.register(&bridge));
        if offers().count() > 0 {
            bridge.wait_for_probes(PROBE_TIMEOUT);
        }
        if settings.policy.spec().sends == Sends::Late
            && let Some(typical) = offers().map(|offer| offer.median).max()
        {
            check_deadline(settings.options.model.deadline, typical);
        }
        (self.lambda, self.bridge) = (lambda, Some(bridge));
        Ok(())
    }
}

/// Starts the bridge of each call.
fn start_calls(settings: &Settings) -> Result<Vec<Call>, RunError> {
    let TimelySettings { processes, process, .. } = settings.timely;
    let start = |(name, call): &(String, bridge::Settings)| {
        // Each process has its share of what may be asked of the service.
        let share = |all: usize| all / processes + usize::from(process < all % processes);
        let most = limit_in_flight(share(call.max_in_flight), 1);
        let bridge = Bridge::start(bridge::Settings {
            max_in_flight: most,
            initial_in_flight: call.initial_in_flight.min(most),
            requests_per_second: call.requests_per_second.map(|all| share(all as usize) as u32),
            ..call.clone()
        })?;
        if let Some(stage) = settings.dataflow.stages.iter().find(|stage| stage.name == *name) {
            stage.register(&bridge);
        }
        Ok(Call { name: name.clone(), bridge })
    };
    settings.calls.iter().map(start).collect()
}

/// Returns the settings of this process's bridge. A request uses `descriptors_each` file descriptors.
fn bridge_settings(
    settings: &Settings,
    endpoint: bridge::Endpoint,
    spent: f64,
    descriptors_each: usize,
) -> bridge::Settings {
    // Each process has its share of what may still be spent.
    let processes = settings.timely.processes;
    bridge::Settings {
        max_in_flight: limit_in_flight(settings.bridge.max_in_flight, descriptors_each),
        endpoint,
        cost_limits: settings.bridge.cost_limits.after(spent).share(processes),
        version: settings.dataflow.version.clone(),
        ..settings.bridge.clone()
    }
}

/// Limits the requests in flight to those that have file descriptors.
fn limit_in_flight(wanted: usize, descriptors_each: usize) -> usize {
    let most = descriptors::max_connections(descriptors_each).max(1);
    if most < wanted {
        tracing::warn!(
            "of {} files that may be open, {most} requests may be in flight, not {wanted}: the rest is kept for \
             input and output; raise the limit with ulimit -n",
            descriptors::limit()
        );
    }
    wanted.min(most)
}

/// Warns if even an empty request takes the remote side longer than the deadline.
fn check_deadline(deadline: Duration, typical: Duration) {
    if typical >= deadline {
        tracing::warn!(
            "the remote side takes {} to answer an empty request, so no remote result can keep \
            the deadline of {}. Records are sent only where a worker would be later still",
            show_duration(typical),
            show_duration(deadline),
        );
    }
}
