//! The log, which goes to standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use super::UsageError;
use crate::terminal::{self, plain};

/// The environment variable that sets the level if `--log` is not given.
const VARIABLE: &str = "FLOODWAY_LOG";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts the log at `level`, at the level in `FLOODWAY_LOG`, or at `warn`.
pub(super) fn init(level: Option<&str>) -> Result<(), UsageError> {
    init_with(level, "warn")
}

/// Starts the log at `level`, at the level in `FLOODWAY_LOG`, or at `default`.
pub(super) fn init_with(level: Option<&str>, default: &str) -> Result<(), UsageError> {
    let from_environment = std::env::var(VARIABLE).ok().filter(|level| !level.is_empty());
    let option = if level.is_some() { "--log" } else { VARIABLE };
    let level = level.or(from_environment.as_deref()).unwrap_or(default);
    let wrong = || {
        let expected = "expected error, warn, info, debug, trace or off, or MODULE=LEVEL such as \
                        warn,floodway::bridge=debug";
        UsageError::new(option, level, expected)
    };
    // The filter takes any other word for a module's name, and shows nothing of the rest.
    if !level.split(',').all(is_directive) {
        return Err(wrong());
    }
    let filter = EnvFilter::try_new(level).map_err(|_| wrong())?;
    // It says at once, and as an error, what the request's own error says.
    let filter = match level.contains("rustls") {
        true => filter,
        false => match "rustls_platform_verifier=off".parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        },
    };
    // An event is a line, whatever a remote side had in its message.
    let fields = debug_fn(|writer, field, value| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", plain(&text)),
            "backtrace" => write!(writer, "\n{text}"),
            name => write!(writer, "{name}={}", plain(&text)),
        }
    });
    // A second start, in a test, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal::has_colors())
        .with_target(false)
        // It would panic where standard error is gone.
        .log_internal_errors(false)
        .fmt_fields(fields.delimited(" "))
        .try_init();
    Ok(())
}

/// Whether a part of the filter is a level, or a module with a level.
fn is_directive(part: &str) -> bool {
    let level = match part.rsplit_once('=') {
        None => part,
        Some((module, level)) if !module.is_empty() => level,
        Some(_) => return false,
    };
    LEVELS.iter().any(|known| level.trim().eq_ignore_ascii_case(known))
}
