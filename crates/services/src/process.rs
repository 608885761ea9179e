//! Processes that are known again later, and signals to everything that they started.
//!
//! A process is known by its number and the moment at which it was born, for numbers are used again. Its descendants
//! are found in `/proc`: PostgreSQL puts every session in a process group of its own, so a signal to the group would
//! miss them. Invariant: no signal is sent to a process that is not the one which was started, or a child of it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a killed process may take to be gone: the kernel first lets it finish what it writes to a busy disk.
const PATIENCE_WITH_KERNEL: Duration = Duration::from_secs(120);

/// A process that was started here, perhaps by an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// In ticks since the machine started, as `/proc` counts.
    born: u64,
}

/// What `/proc/<pid>/stat` says, as far as it matters here.
struct Stat {
    state: char,
    parent: u32,
    /// Threads that are still there.
    threads: u32,
    born: u64,
}

impl Stat {
    /// Whether nothing of the process runs any more. The first thread of a killed process is a zombie before the others
    /// have finished what they write, and until then its sockets are open and its files change.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

impl Started {
    /// The running process of that number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, born: stat(pid)?.born })
    }

    /// Whether it still runs; one that ended but was not waited for does not.
    pub(crate) fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.born == self.born && !stat.has_ended())
    }

    /// Ends it and everything that it started, at once.
    pub(crate) fn kill(self) {
        self.freeze();
        let family = self.family();
        send(&family, Signal::KILL);
        wait_until(PATIENCE_WITH_KERNEL, || !family.iter().any(|member| member.is_alive()));
    }

    /// Asks it to end, and ends it when it does not.
    pub(crate) fn stop(self, signal: Signal) {
        if self.is_alive() {
            send(&[self], signal);
            send(&[self], Signal::CONT);
        }
        if !wait_until(PATIENCE, || !self.is_alive()) {
            self.kill();
        }
    }

    /// Stops it and everything that it started where they are.
    pub(crate) fn freeze(self) {
        // The first signal keeps it from starting more while its family is looked for.
        send(&[self], Signal::STOP);
        send(&self.family(), Signal::STOP);
    }

    /// Lets everything go on that [`freeze`](Self::freeze) stopped.
    pub(crate) fn thaw(self) {
        let mut family = self.family();
        family.reverse();
        send(&family, Signal::CONT);
    }

    /// Itself and its descendants, ancestors first; empty when it is gone.
    fn family(self) -> Vec<Self> {
        let mut family: Vec<Self> = if self.is_alive() { vec![self] } else { Vec::new() };
        let everyone: Vec<(u32, Stat)> = pids().filter_map(|pid| Some((pid, stat(pid)?))).collect();
        let mut next = 0;
        while let Some(ancestor) = family.get(next).copied() {
            next += 1;
            let children = everyone.iter().filter(|(_, stat)| stat.parent == ancestor.pid);
            family.extend(children.map(|(pid, stat)| Self { pid: *pid, born: stat.born }));
        }
        family
    }
}

fn send(family: &[Started], signal: Signal) {
    for member in family.iter().filter(|member| member.is_alive()) {
        let pid = i32::try_from(member.pid).ok().and_then(Pid::from_raw);
        // A member that ended meanwhile needs no signal.
        pid.map(|pid| kill_process(pid, signal));
    }
}

/// Waits for a state; false when it did not come in time.
pub(crate) fn wait_until(patience: Duration, mut is_reached: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_reached() {
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets and may hold anything, so count from the last one.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_by_its_birth_too() {
        let own = Started::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Started { born: own.born + 1, ..own }.is_alive());
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        let program = "import ctypes, threading, time\n\
                       threading.Thread(target=time.sleep, args=(600,)).start()\n\
                       ctypes.CDLL(None).pthread_exit(None)";
        let mut child = Command::new("python3").args(["-c", program]).spawn().unwrap();
        let started = Started::of(child.id()).unwrap();
        assert!(wait_until(PATIENCE, || stat(child.id()).is_some_and(|stat| stat.state == 'Z')));
        assert!(started.is_alive());
        started.kill();
        assert!(!started.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn a_whole_family_is_frozen_thawed_and_killed() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & echo $!; setsid sleep 600 & echo $!; wait"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let parent = Started::of(shell.id()).unwrap();
        assert!(wait_until(PATIENCE, || parent.family().len() == 3));
        let family = parent.family();
        let all_are = |wanted: fn(char) -> bool| {
            wait_until(PATIENCE, || {
                family.iter().all(|one| stat(one.pid).is_some_and(|stat| wanted(stat.state)))
            })
        };
        parent.freeze();
        assert!(all_are(|state| state == 'T'));
        parent.thaw();
        assert!(all_are(|state| state != 'T'));
        parent.kill();
        assert!(!family.iter().any(|member| member.is_alive()));
        shell.wait().unwrap();
    }
}
