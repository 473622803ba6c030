//! Process groups that must not outlive the server.
//!
//! Each environment's process leads a group of its own, so that what it forks dies with it. Should the
//! server itself be killed, so that nothing of it runs any more, a guardian ends the groups: a small
//! shell that reads from the server which there are, and finds its input at its end when the server is
//! gone. (The system's own way, `PR_SET_PDEATHSIG`, needs unsafe code, and forgets the grandchildren.)

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Keeps the numbers of the groups, and kills what is left.
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

/// The groups of a server.
pub(in super::super) struct Groups(Mutex<GroupsState>);

struct GroupsState {
    /// `None` once all were ended: there will be none any more.
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
        // A set and a pipe: whole between two calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group is there. Where all were ended already, so is this one.
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

    /// Ends all of them, and those to come.
    pub(in super::super) fn end_all(&self) {
        let mut state = self.state();
        for leader in state.alive.take().into_iter().flatten().filter_map(Pid::from_raw) {
            kill(leader);
        }
        if let Some((mut child, stdin)) = state.guardian.take() {
            drop(stdin);
            // Its input is at its end: it ends.
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
            // A guardian that somebody killed guards nothing.
            let _ = writeln!(stdin, "{change} {}", leader.as_raw_pid());
        }
    }
}

/// Kills a group, if there is something left of it. Its number cannot be another's by then: numbers
/// are given round robin.
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
