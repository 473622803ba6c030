//! The date of a comparison, and the machine that it ran on.

use std::fs;

use time::OffsetDateTime;

use crate::compare::Provenance;
use crate::units::show_many;

/// Returns the current date and a description of this machine.
pub(super) fn describe() -> Provenance {
    let now = OffsetDateTime::now_utc();
    let (month, day) = (u8::from(now.month()), now.day());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let parts = [processor(), Some(show_many(cores, "core")), memory(), Some(system())];
    Provenance {
        date: format!(
            "{:04}-{month:02}-{day:02} {:02}:{:02} UTC",
            now.year(),
            now.hour(),
            now.minute()
        ),
        machine: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Returns the value of a field in a file of Linux's `/proc`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn processor() -> Option<String> {
    let name = field("/proc/cpuinfo", "model name").filter(|name| !name.is_empty());
    name.or_else(|| Some(std::env::consts::ARCH.to_owned()))
}

fn memory() -> Option<String> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.strip_suffix(" kB")?.parse().ok()?;
    Some(format!("{:.0} GiB", kib / f64::from(1 << 20)))
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned()
}
