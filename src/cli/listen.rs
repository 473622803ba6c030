//! `--listen`: the address of the live view.

use std::io;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::UsageError;
use super::args::RunArgs;
use crate::pipeline::{ListenSettings, TimelySettings};

const OPTION: &str = "--listen";

/// A value of `--listen`.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .filter(|(host, _)| is_host(host))
            .ok_or("expected HOST:PORT such as 127.0.0.1:9090, or port 0 for any that is free")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(ListenAddress { host, port })
    }
}

/// Returns the settings of the live view. None if there is none.
pub(super) fn settings(
    args: &RunArgs,
    timely: &TimelySettings,
) -> Result<Option<ListenSettings>, UsageError> {
    let Some(ListenAddress { host, port }) = args.listen.clone() else {
        let is_given = |option: &&&str| args.given.value(option).is_some();
        return match ["--listen-after", "--allow-host"].iter().find(is_given) {
            Some(option) => Err(args.given.error(option, "needs --listen")),
            None => Ok(None),
        };
    };
    // Processes on one machine cannot share one.
    let port = match port {
        0 => 0,
        first => u16::try_from(usize::from(first) + timely.process).map_err(|_| {
            let why = format!("process {} has no port that far above it", timely.process);
            args.given.error(OPTION, why)
        })?,
    };
    let names = args.allow_host.clone().unwrap_or_default();
    Ok(Some(ListenSettings { host, port, names, after: args.listen_after }))
}

/// Returns the error of an address at which the live view cannot listen.
pub(super) fn unusable(args: &RunArgs, port: u16, error: &io::Error) -> UsageError {
    let why = format!("cannot listen on port {port}: {error}; name another, or port 0 for any");
    args.given.error(OPTION, why)
}

/// A value of `--allow-host`: names that a server may be reached by.
pub type HostNames = Vec<String>;

/// Parses the value of `--allow-host`.
pub(super) fn parse_names(text: &str) -> Result<HostNames, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let names = text.split(',').map(|name| match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(name.to_owned()),
        false => Err("expected names of hosts without ports, such as box.example,floodway"),
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
