//! Opens the folder of a function, for the commands that run its processes.

use std::path::Path;

use anyhow::Result;

use super::UsageError;
use super::given::Given;
use crate::emulator::{Choices, Package, PackageError};

/// Opens `folder`, which `option` names.
///
/// # Errors
/// If the folder is wrong, the machine lacks something, or the local Lambda's cold start is set.
pub(super) fn open(
    folder: &Path,
    option: &'static str,
    choices: Choices,
    given: &Given,
) -> Result<Package> {
    let model = given.value("--local-lambda").into_iter().flat_map(|options| options.split(','));
    for setting in model {
        if setting.split_once('=').is_some_and(|(key, _)| key.trim() == "cold_start") {
            let why =
                format!("cannot be set for {option}: its processes start as fast as they can");
            return Err(UsageError::new("--local-lambda", setting, why).into());
        }
    }
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(variable);
    let choices = Choices { region: choices.region.or(region), ..choices };
    Package::open(folder, &choices).map_err(|error| package_error(folder, option, error))
}

/// Returns the value of an environment variable. None if it is not set, or empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the error as one of the command line if the folder is wrong, and not if the machine lacks
/// something.
fn package_error(folder: &Path, option: &'static str, error: PackageError) -> anyhow::Error {
    if error.is_of_the_machine() {
        return error.into();
    }
    let folder = folder.display().to_string();
    UsageError::new(option, folder, format!("{:#}", anyhow::Error::from(error))).into()
}
