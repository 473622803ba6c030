//! Starts the remote side of a run: the embedded Lambda, if there is one, and the bridges to functions and to the services
//! that are called.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sending::FunctionSettings;
use super::{Endpoint, RunError, Settings, TimelySettings};
use crate::bridge::{self, Bridge, BridgeError, Budget, SettingsError};
use crate::descriptors;
use crate::emulator::{self, Model};
use crate::observe::{CallCounters, FunctionCounters, FunctionFailure};
use crate::units::show_duration;

/// The longest time that a run waits for the first answers of the remote side before it starts.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The remote side.
#[derive(Default)]
pub(super) struct RemoteSide {
    /// The embedded Lambda, if records are sent to it.
    pub lambda: Option<Arc<emulator::Server>>,
    /// The bridges to functions. There are none if nothing is sent.
    pub functions: Vec<FunctionBridge>,
    /// The bridges to the services that are called.
    pub calls: Vec<Call>,
}

/// A bridge to a function.
#[derive(Clone)]
pub(super) struct FunctionBridge {
    /// The name of the function.
    pub function: String,
    /// The names of the stages whose records it sends.
    pub stages: Vec<String>,
    pub settings: bridge::Settings,
    pub bridge: Bridge,
}

impl FunctionBridge {
    /// Returns what its bridge has counted.
    pub(super) fn counters(&self) -> FunctionCounters {
        let (name, counters) = (self.function.clone(), self.bridge.counters());
        FunctionCounters { name, cost_usd: self.settings.spent(&counters), counters }
    }

    /// Returns why the function refused every request, and what to do about it. None if it did not.
    pub(super) fn refused(&self) -> Option<FunctionFailure> {
        let refusal = self.bridge.refusal()?;
        Some(self.failure(format!("{refusal} ({})", refusal.advice())))
    }

    /// Returns how the last request or probe failed, or that good records are refused, and what to do about it.
    pub(super) fn last_failure(&self) -> Option<FunctionFailure> {
        let failure = self.bridge.last_failure();
        let failure = failure.map(|failure| format!("{failure} ({})", failure.advice()));
        let refused = || {
            let code = self.bridge.wrongly_refused()?;
            Some(format!(
                "the function refuses records that are good ({code:?}), and its own log may say why"
            ))
        };
        failure.or_else(refused).map(|why| self.failure(why))
    }

    fn failure(&self, why: String) -> FunctionFailure {
        FunctionFailure { function: self.function.clone(), why }
    }
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
        remote.start_functions(settings, spent)?;
        let began = Instant::now();
        for bridge in remote.bridges() {
            bridge.wait_for_probes(PROBE_TIMEOUT.saturating_sub(began.elapsed()));
        }
        remote.check_deadline(settings);
        Ok(remote)
    }

    /// Returns all bridges.
    fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        let functions = self.functions.iter().map(|function| &function.bridge);
        functions.chain(self.calls.iter().map(|call| &call.bridge))
    }

    /// Starts the bridges to the functions, and the embedded Lambda if it is one of them. The bridges share one budget.
    fn start_functions(&mut self, settings: &Settings, spent: f64) -> Result<(), RunError> {
        let functions = settings.functions();
        // Each process has its share of what may still be spent.
        let cost_limits = settings.sending.bridge.cost_limits.after(spent);
        let budget = Budget::new(cost_limits.share(settings.timely.processes));
        for function in &functions {
            let endpoint = match function.endpoint {
                Endpoint::Remote(endpoint) => endpoint.clone(),
                Endpoint::Embedded(model) => self.embedded(settings, model)?,
            };
            let own = bridge_settings(settings, function, endpoint, functions.len());
            let bridge = Bridge::start_within(own.clone(), budget.clone())?;
            for stage in settings.dataflow.served() {
                if function.stages.contains(&&*stage.name) {
                    stage.register(&bridge);
                }
            }
            self.functions.push(FunctionBridge {
                function: function.endpoint.name(),
                stages: function.stages.iter().map(|name| (*name).to_owned()).collect(),
                settings: own,
                bridge,
            });
        }
        Ok(())
    }

    /// Returns the endpoint of the embedded Lambda, and starts it if it does not run yet.
    fn embedded(
        &mut self,
        settings: &Settings,
        model: &Model,
    ) -> Result<bridge::Endpoint, RunError> {
        let lambda = match &mut self.lambda {
            Some(lambda) => lambda,
            none => {
                let listener = TcpListener::bind("127.0.0.1:0");
                let listener = listener.map_err(|error| RunError::Lambda(error.into()))?;
                let setup = emulator::Setup::new(model.clone());
                let setup = match &settings.pool {
                    // The pool has shown that it starts. As on AWS, the first request shows how long a cold start is.
                    Some(pool) => {
                        setup.package(pool.package.clone()).show_output(pool.show_output).cold()
                    }
                    None => setup.function(settings.dataflow.function()),
                };
                none.insert(Arc::new(setup.serve(listener).map_err(RunError::Lambda)?))
            }
        };
        // Whoever wrote a function may have thought of direct invocations only.
        let url = if settings.pool.is_some() { lambda.invoke_url() } else { lambda.url() };
        let endpoint = bridge::Endpoint::url(&url);
        endpoint.map_err(|error| BridgeError::Settings(SettingsError::Endpoint(error)).into())
    }

    /// Warns if even an empty request takes a function longer than the deadline, by which a policy goes.
    fn check_deadline(&self, settings: &Settings) {
        let deadline = settings.options.model.deadline;
        for (function, of) in self.functions.iter().zip(settings.functions()) {
            let typical = function.bridge.median();
            if of.sends_late && typical >= deadline {
                tracing::warn!(
                    "the remote side takes {} to answer an empty request, so no remote result can keep \
                    the deadline of {}. Records are sent only where a worker would be later still",
                    show_duration(typical),
                    show_duration(deadline),
                );
            }
        }
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

/// Returns the settings of this process's bridge to a `function`, which is one of several `bridges`. They share the
/// memory of requests, and the file descriptors.
fn bridge_settings(
    settings: &Settings,
    function: &FunctionSettings,
    endpoint: bridge::Endpoint,
    bridges: usize,
) -> bridge::Settings {
    let of_function = function.bridge;
    // This process has both ends of each connection to an embedded Lambda.
    let descriptors = if let Endpoint::Embedded(_) = function.endpoint { 2 } else { 1 };
    let max_in_flight = limit_in_flight(of_function.max_in_flight, descriptors * bridges);
    let body_bytes = (of_function.body_bytes / bridges).max(of_function.largest_exchange());
    let version = settings.dataflow.version.clone();
    // A request has so many records of the stream, whether the bridge counts them or chunks of them.
    let batch_records = (of_function.batch_records / function.weight).max(1);
    bridge::Settings {
        endpoint,
        max_in_flight,
        body_bytes,
        version,
        batch_records,
        ..of_function.clone()
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
