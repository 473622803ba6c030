//! The options of the remote side: the endpoint, the bridge, the prices, and the local Lambda.

use super::args::{ArchArg, AuthArg, BridgeArgs, EndpointArgs, RunArgs};
use super::settings::{number, parse, parse_some};
use super::{UsageError, key_values, policy_options};
use crate::aws::{Environment, EnvironmentError};
use crate::bridge::{self, Auth, CostLimits, EndpointError, ProxyError, Settings};
use crate::cost::{Cost, Prices};
use crate::emulator::Model;
use crate::pipeline::Endpoint;
use crate::units::{parse_above_zero, parse_duration, parse_share};

/// Returns the settings of the bridge.
pub(super) fn bridge(args: &BridgeArgs, cost: Cost) -> Result<Settings, UsageError> {
    let defaults = Settings::default();
    let settings = Settings {
        batch_records: number("--batch", &args.batch, defaults.batch_records)?,
        linger: parse("--linger", args.linger.as_ref(), defaults.linger, parse_duration)?,
        max_in_flight: number("--max-in-flight", &args.max_in_flight, defaults.max_in_flight)?,
        timeout: parse("--timeout", args.timeout.as_ref(), defaults.timeout, parse_above_zero)?,
        attempts: number("--attempts", &args.attempts, defaults.attempts as usize)?
            .min(u32::MAX as usize) as u32,
        hedge: parse("--hedge", args.hedge.as_ref(), defaults.hedge, parse_share)?,
        warm_up: match args.warm_up.as_deref() {
            Some("off") => None,
            _ => parse("--warm-up", args.warm_up.as_ref(), defaults.warm_up, |share| {
                parse_share(share).map(Some)
            })?,
        },
        cost,
        cost_limits: cost_limits(args)?,
        ..defaults
    };
    if settings.timeout <= settings.linger {
        let value = args.timeout.clone().unwrap_or_else(|| format!("{:?}", settings.timeout));
        let why = format!("must be longer than --linger, which is {:?}", settings.linger);
        return Err(UsageError::new("--timeout", value, why));
    }
    Ok(settings)
}

/// Returns the limits on what may be spent.
fn cost_limits(args: &BridgeArgs) -> Result<CostLimits, UsageError> {
    let dollars = |text: &str| {
        let text = text.strip_prefix('$').unwrap_or(text);
        text.parse().ok().filter(|usd: &f64| usd.is_finite() && *usd > 0.0)
    };
    Ok(CostLimits {
        per_hour: parse_some("--budget", args.budget.as_ref(), |text| {
            let hourly = text.strip_suffix("/h").and_then(dollars);
            hourly.ok_or("expected US dollars an hour above 0, such as 0.50/h")
        })?,
        total: parse_some("--budget-total", args.budget_total.as_ref(), |text| {
            dollars(text).ok_or("expected US dollars above 0, such as 2.00")
        })?,
    })
}

/// Returns the prices of the function.
pub(super) fn prices(args: &BridgeArgs) -> Result<Prices, UsageError> {
    let list = match args.arch {
        Some(ArchArg::Arm) => Prices::arm(),
        Some(ArchArg::X86) | None => Prices::default(),
    };
    let price = |option, given: &Option<String>, default: f64| {
        parse(option, given.as_ref(), default, |text| {
            let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
            price.ok_or("expected US dollars, such as 0.20")
        })
    };
    Ok(Prices {
        million_requests: price(
            "--price-million-requests",
            &args.price_million_requests,
            list.million_requests,
        )?,
        gb_second: price("--price-gb-second", &args.price_gb_second, list.gb_second)?,
    })
}

/// Returns the function's memory in MB.
pub(super) fn memory(given: Option<&String>, endpoint: &Endpoint) -> Result<u32, UsageError> {
    match (endpoint, given) {
        (Endpoint::Embedded(model), None) => Ok(model.memory_mb),
        (Endpoint::Embedded(_), Some(value)) => {
            let why = "is for a function elsewhere: the built-in Lambda has --local-lambda \
            memory=MB";
            Err(UsageError::new("--memory", value, why))
        }
        (Endpoint::Remote(_), given) => {
            parse("--memory", given, Cost::default().memory_mb, |text| {
                let memory = text.parse().ok().filter(|mb| (128..=10_240).contains(mb));
                memory.ok_or("expected 128 to 10240 MB")
            })
        }
    }
}

/// Checks that the simulator supports the model: there, failures and throttles last all the time or never
/// come.
pub(super) fn check_simulatable(model: &Model) -> Result<(), UsageError> {
    if model.trouble.is_some() && (model.failure_rate > 0.0 || model.throttle_rate > 0.0) {
        let why = "cannot be simulated together with failure_rate or throttle_rate, which the \
            simulator has all the time";
        return Err(UsageError::new("--local-lambda", "trouble", why));
    }
    Ok(())
}

/// Checks that the policy can want something done remotely, if that is required.
pub(super) fn check_require_remote(args: &RunArgs) -> Result<(), UsageError> {
    if args.options.require_remote && !policy_options::of_run(args)?.needs_remote() {
        let why = format!("needs {}", policy_options::that_sends());
        return Err(UsageError::new("--require-remote", "(given)", why));
    }
    Ok(())
}

/// Checks that the policy can be tried without sending, if that is asked for.
pub(super) fn check_shadow(args: &RunArgs) -> Result<(), UsageError> {
    if !args.options.shadow {
        return Ok(());
    }
    if !policy_options::of_run(args)?.needs_remote() {
        let why = format!("needs {}", policy_options::that_sends());
        return Err(UsageError::new("--shadow", "(given)", why));
    }
    check_simulatable(&model(args.local_lambda.as_ref())?)
}

/// Returns the model of the embedded Lambda.
pub(super) fn model(options: Option<&String>) -> Result<Model, UsageError> {
    const OPTION: &str = "--local-lambda";
    let mut model = Model::default();
    key_values::set_each(OPTION, options, |key, value| model.set(key, value))?;
    match model.reserved {
        Some(reserved) if reserved > model.concurrency => {
            let why = format!(
                "must be at most concurrency, which is {}: it is a part of it",
                model.concurrency
            );
            Err(UsageError::new(OPTION, format!("reserved={reserved}"), why))
        }
        _ => Ok(model),
    }
}

pub(super) fn endpoint(args: &RunArgs) -> anyhow::Result<Endpoint> {
    let lambda = args.endpoint.lambda.as_deref().unwrap_or("local");
    if lambda != "local" {
        if let Some(value) = &args.local_lambda {
            return Err(UsageError::new("--local-lambda", value, "is for --lambda local").into());
        }
        return remote(lambda, &args.endpoint).map(Endpoint::Remote);
    }
    let auth = args.endpoint.auth.map(|auth| auth_name(auth).to_owned());
    for (option, given) in [("--auth", auth), ("--region", args.endpoint.region.clone())] {
        if let Some(value) = given {
            let why = "is for a function elsewhere: --lambda URL, NAME or ARN";
            return Err(UsageError::new(option, value, why).into());
        }
    }
    Ok(Endpoint::Embedded(model(args.local_lambda.as_ref())?))
}

fn auth_name(auth: AuthArg) -> &'static str {
    match auth {
        AuthArg::None => "none",
        AuthArg::Iam => "iam",
    }
}

/// Resolves an endpoint: a function, or any other address that takes requests.
pub(super) fn remote(lambda: &str, args: &EndpointArgs) -> anyhow::Result<bridge::Endpoint> {
    let region = parse_some("--region", args.region.as_ref(), str::parse)?;
    let auth = args.auth.map(|auth| match auth {
        AuthArg::None => Auth::None,
        AuthArg::Iam => Auth::Iam,
    });
    let resolved = bridge::Endpoint::resolve(lambda, auth, region, &Environment::of_process());
    resolved.map_err(|error| {
        let why = error.to_string();
        let given = args.region.clone().unwrap_or_else(|| "(not given)".to_owned());
        let usage = match error {
            // No option is wrong.
            EndpointError::Environment(EnvironmentError::Profile(error)) => return error.into(),
            EndpointError::AlwaysSigned => UsageError::new("--auth", "none", why),
            EndpointError::OtherRegion { .. }
            | EndpointError::UnsignedRegion
            | EndpointError::NoRegion { .. }
            | EndpointError::Environment(_) => UsageError::new("--region", given, why),
            _ => UsageError::new("--lambda", redact(lambda), why),
        };
        usage.into()
    })
}

/// Returns the proxy that requests to the endpoint go by, if there is one.
pub(super) fn proxy(endpoint: &bridge::Endpoint) -> Result<Option<String>, UsageError> {
    endpoint.proxy().map_err(|ProxyError { variable, value, why }| {
        UsageError::new(variable, value, format!("{why}; {}", ProxyError::EXPECTED))
    })
}

/// Returns the endpoint as given, without parts that may be secret.
pub(super) fn redact(lambda: &str) -> String {
    let (plain, hidden) = match lambda.find(['?', '#']) {
        Some(at) => (&lambda[..at], "?…"),
        None => (lambda, ""),
    };
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}{hidden}")
        }
        None => format!("{plain}{hidden}"),
    }
}
