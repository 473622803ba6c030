//! The name of the program. Messages begin with it, and name it in the commands that they show.

use std::sync::OnceLock;

static NAME: OnceLock<&str> = OnceLock::new();

/// Sets the name. Only the first call has an effect.
pub(crate) fn set(name: &'static str) {
    NAME.get_or_init(|| name);
}

/// Returns the name, which is `floodway` unless it was set.
pub(crate) fn get() -> &'static str {
    NAME.get().copied().unwrap_or("floodway")
}
