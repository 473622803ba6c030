//! `--listen`: the address of the live view.

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::UsageError;
use super::args::RunArgs;
use super::settings::parse;
use crate::pipeline::{ListenSettings, TimelySettings};
use crate::units::parse_duration;

const OPTION: &str = "--listen";
const EXPECTED: &str = "expected HOST:PORT such as 127.0.0.1:9090, or port 0 for any that is free";

/// Parses the options. Returns none if there is no live view.
pub(super) fn settings(
    args: &RunArgs,
    timely: &TimelySettings,
) -> Result<Option<ListenSettings>, UsageError> {
    let after = args.listen_after.as_ref();
    let Some(typed) = &args.listen else {
        let dependent = [("--listen-after", after), (ALLOW_HOST, args.allow_host.as_ref())];
        return match dependent.into_iter().find_map(|(option, value)| Some((option, value?))) {
            Some((option, value)) => Err(UsageError::new(option, value, "needs --listen")),
            None => Ok(None),
        };
    };
    let names = names(args.allow_host.as_ref())?;
    let after = parse("--listen-after", after, Duration::ZERO, parse_duration)?;
    let wrong = |why: String| UsageError::new(OPTION, typed, why);
    let (host, port) = typed
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .filter(|(host, _)| is_host(host))
        .ok_or_else(|| wrong(EXPECTED.to_owned()))?;
    // Processes on one machine cannot share one.
    let port = match port {
        0 => 0,
        first => u16::try_from(usize::from(first) + timely.process).map_err(|_| {
            wrong(format!("process {} has no port that far above it", timely.process))
        })?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Some(ListenSettings { host, port, names, after }))
}

/// Returns the error of an address at which the live view cannot listen.
pub(super) fn unusable(args: &RunArgs, port: u16, error: &io::Error) -> UsageError {
    let why = format!("cannot listen on port {port}: {error}; name another, or port 0 for any");
    UsageError::new(OPTION, args.listen.clone().unwrap_or_default(), why)
}

const ALLOW_HOST: &str = "--allow-host";

/// Parses the value of `--allow-host`: names that a server may be reached by.
pub(super) fn names(typed: Option<&String>) -> Result<Vec<String>, UsageError> {
    let names = typed.iter().flat_map(|typed| typed.split(',')).map(|name| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match !name.is_empty() && name.bytes().all(plain) {
            true => Ok(name.to_owned()),
            false => {
                let why = "expected names of hosts without ports, such as box.example,floodway";
                Err(UsageError::new(ALLOW_HOST, typed.map_or("", String::as_str), why))
            }
        }
    });
    names.collect()
}

/// Whether the text can be the name or the address of a host. An address of IP version 6 stands in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|host| host.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && !host.contains([':', '/', ' ', '@']),
    }
}
