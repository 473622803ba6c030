//! `floodway lambda`.

use std::io::Write as _;
use std::net::TcpListener;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::args::LambdaArgs;
use super::{bursting, logging};
use crate::emulator::Server;

pub(super) fn lambda(args: &LambdaArgs) -> Result<()> {
    logging::init(args.log.as_deref())?;
    let model = bursting::model(args.local_lambda.as_ref())?;
    let listener = TcpListener::bind(&args.bind)
        .with_context(|| format!("cannot listen on --bind {}", args.bind))?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let server = Server::start(listener, model).context("cannot start the local Lambda")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", server.url()).and_then(|()| out.flush()).context("cannot print the URL")?;
    signals.forever().next();
    server.shutdown();
    Ok(())
}
