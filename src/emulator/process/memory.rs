//! Measures the memory of a process and its children, on Linux.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// The interval at which a busy process is measured.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The interval at which all process groups are measured, which reads every process of the machine.
const GROUPS_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The memory of all process groups in kB, read for all environments at once.
#[derive(Default)]
pub(super) struct GroupMemory(Mutex<(Option<Instant>, Arc<HashMap<i32, u64>>)>);

impl GroupMemory {
    async fn of(&self, leader: Pid) -> u64 {
        let due = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let due = state.0.is_none_or(|read| read.elapsed() >= GROUPS_POLL_INTERVAL);
            if due {
                state.0 = Some(Instant::now());
            }
            due
        };
        if due && let Ok(read) = tokio::task::spawn_blocking(system::groups).await {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Arc::new(read);
        }
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.get(&leader.as_raw_pid()).copied().unwrap_or(0)
    }
}

/// The memory of an environment.
pub(super) struct Memory {
    leader: Pid,
    limit_kb: u64,
    groups: Arc<GroupMemory>,
    peak_kb: Mutex<u64>,
}

impl Memory {
    pub(super) fn new(leader: Pid, limit_mb: u32, groups: &Arc<GroupMemory>) -> Self {
        let (limit_kb, groups) = (u64::from(limit_mb) * 1024, Arc::clone(groups));
        Memory { leader, limit_kb, groups, peak_kb: Mutex::new(0) }
    }

    /// Waits until the limit is exceeded.
    pub(super) async fn is_exceeded(&self) {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let group = self.groups.of(self.leader).await;
            let alone = system::resident(self.leader);
            // A sum counts the pages that a child shares with its parent twice. If the sum exceeds the limit,
            // each page is counted once.
            let proper = |kb| match kb > self.limit_kb && kb > alone {
                true => system::proportional(self.leader).unwrap_or(kb),
                false => kb,
            };
            if self.note(alone.max(proper(group))) {
                return;
            }
        }
    }

    /// Reads the peak of the process, and returns whether it exceeded the limit.
    pub(super) fn was_exceeded(&self) -> bool {
        self.note(system::peak(self.leader))
    }

    fn note(&self, kb: u64) -> bool {
        let mut peak = self.peak_kb.lock().unwrap_or_else(PoisonError::into_inner);
        *peak = (*peak).max(kb);
        *peak > self.limit_kb
    }

    /// Returns the peak, in MB.
    pub(super) fn peak_mb(&self) -> u32 {
        let peak = self.peak_kb.lock().unwrap_or_else(PoisonError::into_inner);
        peak.div_ceil(1024).min(u64::from(u32::MAX)) as u32
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::HashMap;
    use std::fs::{self, File};
    use std::io::Read as _;

    use rustix::process::Pid;

    /// Reads a file of /proc, which is smaller than a page, in one read. Its size is not known in advance,
    /// for which the standard library would read it in small steps.
    fn read(path: &str) -> Option<String> {
        let mut text = [0; 4 << 10];
        let bytes = File::open(path).ok()?.read(&mut text).ok()?;
        // The name of a process may have any bytes.
        Some(String::from_utf8_lossy(&text[..bytes]).into_owned())
    }

    /// Returns the value in a line of a file of /proc, such as `VmHWM: 1728 kB`.
    fn line(path: &str, name: &str) -> Option<u64> {
        let text = read(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn page_kb() -> u64 {
        (rustix::param::page_size() / 1024) as u64
    }

    /// Returns the resident memory of a process, or 0 if it has ended.
    pub(super) fn resident(of: Pid) -> u64 {
        let statm = read(&format!("/proc/{of}/statm")).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0) * page_kb()
    }

    /// Returns the peak of a process's resident memory.
    pub(super) fn peak(of: Pid) -> u64 {
        line(&format!("/proc/{of}/status"), "VmHWM:").unwrap_or(0)
    }

    /// Iterates over all processes: their numbers, groups and resident memory.
    fn processes() -> impl Iterator<Item = (u32, i32, u64)> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = read(&format!("/proc/{process}/stat"))?;
            // The name, in parentheses, may contain any characters.
            let (_, fields) = stat.rsplit_once(") ")?;
            let mut fields = fields.split(' ');
            let group = fields.nth(2)?.parse().ok()?;
            let pages: u64 = fields.nth(18)?.parse().ok()?;
            Some((process, group, pages * page_kb()))
        })
    }

    /// Returns the resident memory of each process group.
    pub(super) fn groups() -> HashMap<i32, u64> {
        let mut groups = HashMap::new();
        for (_, group, kb) in processes() {
            *groups.entry(group).or_default() += kb;
        }
        groups
    }

    /// Returns the memory of a group, with each shared page counted once.
    pub(super) fn proportional(leader: Pid) -> Option<u64> {
        let members = processes().filter(|(_, group, _)| *group == leader.as_raw_pid());
        members.map(|(process, ..)| line(&format!("/proc/{process}/smaps_rollup"), "Pss:")).sum()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::collections::HashMap;

    use rustix::process::Pid;

    pub(super) fn resident(_: Pid) -> u64 {
        0
    }

    pub(super) fn peak(_: Pid) -> u64 {
        0
    }

    pub(super) fn groups() -> HashMap<i32, u64> {
        HashMap::new()
    }

    pub(super) fn proportional(_: Pid) -> Option<u64> {
        None
    }
}
