//! Ending what a killed worker left on this host.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::claim::GuardRecord;
use crate::clock::Boottime;
use crate::guard::mark::Mark;
use crate::guard::{is_dead, processes, start_time};

/// How long a guard whose worker is gone may take to end everything before it is ended itself.
const GUARD_GRACE: Duration = Duration::from_secs(2);

/// How long killed processes may take to vanish: only one stuck in the kernel takes long.
const SWEEP_MAX: Duration = Duration::from_secs(30);

/// Between two looks at what is left.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why leftovers could not be cleared away.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// Some would not die.
    #[error(
        "processes of an earlier worker of this name were killed but did not end within {waited:?}: \
         {pids:?}"
    )]
    Unkillable {
        /// Their process ids.
        pids: Vec<i32>,
        /// How long they were waited for.
        waited: Duration,
    },
}

/// Waits until the guard that was recorded and all that it started are gone.
pub(super) fn reclaim(record: &GuardRecord) -> Result<(), ReclaimError> {
    let guard = Pid::from_raw(record.pid);
    let lives = || start_time(guard) == Some(record.start_time) && !is_dead(guard);
    if lives() {
        // Stopped with its worker, it could not do its work.
        let _ = kill(guard, Signal::SIGCONT);
    }
    let patience = Boottime::now() + GUARD_GRACE;
    while lives() && Boottime::now() < patience {
        std::thread::sleep(LOOK_AGAIN);
    }
    if lives() {
        let _ = kill(guard, Signal::SIGKILL);
    }
    sweep(record.nonce)
}

/// Kills every process that wears a mark of `nonce`, until none is left. Blocks.
pub(super) fn sweep(nonce: u64) -> Result<(), ReclaimError> {
    let patience = Boottime::now() + SWEEP_MAX;
    loop {
        let worn = |pid: &Pid| Mark::worn_by(*pid).is_some_and(|mark| mark.nonce == nonce);
        let left: Vec<_> = processes()
            .filter(|pid| worn(pid) && !is_dead(*pid))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if Boottime::now() > patience {
            let pids = left.iter().map(|pid| pid.as_raw()).collect();
            return Err(ReclaimError::Unkillable {
                pids,
                waited: SWEEP_MAX,
            });
        }
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
