//! Process groups that must not outlive the server.
//!
//! The process of each environment leads its own group, so that its children end with it. If the server
//! itself is killed, a guardian ends the groups. The guardian is a small shell that reads the numbers of the
//! groups from the server, and whose input ends when the server does. (The system's own mechanism,
//! `PR_SET_PDEATHSIG`, needs unsafe code and does not cover grandchildren.)

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// The guardian's program: it keeps the numbers of the groups, and kills the groups that are left at the end.
const GUARDIAN: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r change group; do
    case $change in
    +) groups="$groups$group " ;;
    -) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// The process groups of a server.
pub(in super::super) struct Groups(Mutex<GroupsState>);

struct GroupsState {
    /// The numbers of the groups. `None` after all were ended: a later group is ended at once.
    alive: Option<BTreeSet<i32>>,
    guardian: Option<(Child, ChildStdin)>,
}

impl Groups {
    pub(in super::super) fn new() -> Self {
        let guardian = guardian().unwrap_or_else(|error| {
            tracing::warn!("functions may outlive a server that is killed: {error}");
            None
        });
        Groups(Mutex::new(GroupsState { alive: Some(BTreeSet::new()), guardian }))
    }

    fn state(&self) -> MutexGuard<'_, GroupsState> {
        // The data is consistent even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group. If all groups were ended already, ends it too.
    pub(super) fn add(&self, leader: Pid) {
        let mut state = self.state();
        match &mut state.alive {
            Some(alive) => {
                alive.insert(leader.as_raw_pid());
                state.tell('+', leader);
            }
            None => kill(leader),
        }
    }

    /// Ends a group.
    pub(super) fn end(&self, leader: Pid) {
        let mut state = self.state();
        kill(leader);
        if let Some(alive) = &mut state.alive {
            alive.remove(&leader.as_raw_pid());
            state.tell('-', leader);
        }
    }

    /// Ends all groups, and those that are added later.
    pub(in super::super) fn end_all(&self) {
        let mut state = self.state();
        for leader in state.alive.take().into_iter().flatten().filter_map(Pid::from_raw) {
            kill(leader);
        }
        if let Some((mut child, stdin)) = state.guardian.take() {
            drop(stdin);
            // The guardian ends when its input does.
            let _ = child.wait();
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl GroupsState {
    fn tell(&mut self, change: char, leader: Pid) {
        if let Some((_, stdin)) = &mut self.guardian {
            // This fails only if somebody has killed the guardian.
            let _ = writeln!(stdin, "{change} {}", leader.as_raw_pid());
        }
    }
}

/// Kills what is left of a group. The number cannot belong to another group yet, because the system assigns
/// numbers in a cycle.
fn kill(leader: Pid) {
    let _ = kill_process_group(leader, Signal::KILL);
}

fn guardian() -> std::io::Result<Option<(Child, ChildStdin)>> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARDIAN]).env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    Ok(child.stdin.take().map(|stdin| (child, stdin)))
}
