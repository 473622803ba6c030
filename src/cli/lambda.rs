//! `floodway lambda`.

use std::io;
use std::net::TcpListener;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::{LambdaArgs, LambdaAuth};
use super::function_folder::{self, variable};
use super::output::print_line;
use super::{UsageError, logging, signals, unusable_path};
use crate::emulator::{Choices, Keys, Setup};

pub(super) fn lambda(args: &LambdaArgs) -> Result<()> {
    logging::init(args.log.as_deref())?;
    let setup = setup(args)?;
    let listener = TcpListener::bind(&args.bind).map_err(|error| no_listener(args, error))?;
    let mut signals = signals::termination_signals().context("cannot listen for signals")?;
    let server = setup.serve(listener)?;
    print_line(server.url())?;
    signals.forever().next();
    server.shutdown();
    Ok(())
}

fn no_listener(args: &LambdaArgs, error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::InvalidInput {
        let why = "expected ADDRESS:PORT, such as 127.0.0.1:9000; port 0 lets the system choose";
        return UsageError::new("--bind", &args.bind, why).into();
    }
    let error = anyhow::Error::from(error).context("cannot listen");
    unusable_path::as_usage_error("--bind", &args.bind, error)
}

fn setup(args: &LambdaArgs) -> Result<Setup> {
    let mut names = args.allow_host.clone().unwrap_or_default();
    names.extend(args.bind.rsplit_once(':').map(|(host, _)| host.to_owned()));
    let mut setup = Setup::new(args.local_lambda.clone().unwrap_or_default()).hosts(names);
    if args.auth == Some(LambdaAuth::Iam) {
        setup = setup.keys(keys()?);
    }
    match &args.function {
        Some(folder) => {
            let (handler, timeout) = (args.handler.clone(), args.timeout);
            let choices = Choices { handler, timeout, ..Choices::default() };
            let package = function_folder::open(folder, "--function", choices, &args.given)?;
            Ok(setup.package(package).show_output(args.log_functions))
        }
        None => {
            let is_given = |option: &&&str| args.given.value(option).is_some();
            match ["--handler", "--timeout", "--log-functions"].iter().find(is_given) {
                Some(option) => Err(args.given.error(option, "is for --function DIR").into()),
                None => Ok(setup.function(args.given.program.function()?)),
            }
        }
    }
}

/// Returns the keys that requests must be signed with.
fn keys() -> Result<Keys, UsageError> {
    let needed = |name: &str| {
        let why = format!("needs {name} in the environment: a key that requests are signed with");
        variable(name).ok_or_else(|| UsageError::new("--auth", "iam", why))
    };
    Ok(Keys {
        access_key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
        expires: expires()?,
    })
}

/// Returns when the keys expire.
fn expires() -> Result<Option<SystemTime>, UsageError> {
    const NAME: &str = "AWS_CREDENTIAL_EXPIRATION";
    let Some(text) = variable(NAME) else { return Ok(None) };
    let end = OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(|_| {
        let why = format!(
            "{NAME} in the environment is {text:?}: expected a time such as 2026-01-31T12:00:00Z"
        );
        UsageError::new("--auth", "iam", why)
    })?;
    Ok(Some(end.into()))
}
