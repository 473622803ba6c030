//! The environment variables of a function's process: those that AWS sets, and the variables of the server
//! that programs need to be found. It contains no credentials.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::date::Date;
use super::super::server::FUNCTION_NAME;
use super::{Package, Runtime};

/// Variables that are copied from the server's environment.
const TAKEN: [&str; 6] =
    ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "JAVA_HOME"];

impl Package {
    pub(super) fn variables(
        &self,
        api: SocketAddr,
        memory_mb: u32,
    ) -> BTreeMap<OsString, OsString> {
        let taken =
            TAKEN.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let mut all: BTreeMap<OsString, OsString> = taken.collect();
        // The package's own variables come first, so that those that AWS reserves replace them.
        all.extend(self.environment.iter().map(|(name, value)| (name.into(), value.into())));
        all.entry("TZ".into()).or_insert_with(|| "UTC".into());
        all.entry("LANG".into()).or_insert_with(|| "en_US.UTF-8".into());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let date = Date::of_unix(now);
        let stream = format!("{:04}/{:02}/{:02}", date.year, date.month, date.day);
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION_NAME}")),
            // Each environment has its own log stream, which its port identifies.
            ("AWS_LAMBDA_LOG_STREAM_NAME", format!("{stream}/[$LATEST]{:032x}", api.port())),
            ("AWS_REGION", self.region.clone()),
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("_HANDLER", self.handler.clone()),
            // Not one of AWS's: what a function of `floodway init` compares with the task of a request.
            ("FLOODWAY_TASK", self.task.clone()),
        ] {
            all.insert(name.into(), value.into());
        }
        all.insert("LAMBDA_TASK_ROOT".into(), self.code.clone().into());
        let runtime = match &self.runtime {
            Runtime::Python(python) => {
                let mut path = OsString::from(&self.code);
                if let Some(own) = all.get(&OsString::from("PYTHONPATH")) {
                    path.push(":");
                    path.push(own);
                }
                all.insert("PYTHONPATH".into(), path);
                Some(format!("AWS_Lambda_python{}", python.version))
            }
            Runtime::Java(java) => Some(format!("AWS_Lambda_java{}", java.version)),
            Runtime::Node(node) => Some(format!("AWS_Lambda_nodejs{}.x", node.version)),
            // AWS sets none for a program.
            Runtime::Provided(_) => None,
        };
        if let Some(runtime) = runtime {
            all.insert("AWS_EXECUTION_ENV".into(), runtime.into());
        }
        all
    }
}
