//! The log, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::UsageError;

/// Starts the log at `level`, or as `FLOODWAY_LOG` says, or at `warn`.
pub(super) fn init(level: Option<&str>) -> Result<(), UsageError> {
    let from_environment = std::env::var("FLOODWAY_LOG").ok();
    let level = level.or(from_environment.as_deref()).unwrap_or("warn");
    let filter = EnvFilter::try_new(level).map_err(|error| {
        let expected = format!("{error}: expected error, warn, info, debug or trace");
        UsageError::new("--log", level, expected)
    })?;
    // It says at once, and as an error, what the request's own error says.
    let filter = match level.contains("rustls") {
        true => filter,
        false => match "rustls_platform_verifier=off".parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        },
    };
    // A second start, in a test, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would panic where standard error is gone.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}
