//! What a backlog takes of the machine, said before it is taken.

use std::path::Path;

use rustix::fs::statvfs;

use super::Backlog;
use crate::bench::usage::available_memory;
use crate::talk::say;

/// Memory of the server for each queued task, rounded up.
const MEMORY_PER_TASK: u64 = 300;
/// What its dedup key adds.
const MEMORY_PER_KEY: u64 = 40;
/// Memory of the server, the workers and the client besides.
const MEMORY_BESIDES: u64 = 1 << 30;
/// Bytes of the store for each task, rounded up.
const DISK_PER_TASK: u64 = 700;
/// Bytes of the journal, which is trimmed behind the store, and of the store's own log.
const DISK_BESIDES: u64 = 2 << 30;

/// Bytes of memory and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    memory: u64,
    disk: u64,
}

impl Needs {
    pub(super) fn of(plan: &Backlog) -> Needs {
        let key = if plan.dedup_keys { MEMORY_PER_KEY } else { 0 };
        Needs {
            memory: plan.tasks * (MEMORY_PER_TASK + key) + MEMORY_BESIDES,
            disk: plan.tasks * DISK_PER_TASK + DISK_BESIDES,
        }
    }

    /// Says it, beside what there is where that can be seen.
    pub(super) fn tell(self, folder: Option<&Path>) {
        let temporary = std::env::temp_dir();
        let folder = folder.unwrap_or(&temporary);
        // The folder itself may be made later.
        let there = folder.ancestors().find(|path| path.is_dir());
        let free = statvfs(there.unwrap_or(Path::new("."))).ok();
        let free = free.map(|disk| disk.f_bavail * disk.f_frsize);
        let told = |bytes: Option<u64>| bytes.map_or("an unknown amount".to_owned(), gib);
        say(format_args!(
            "bench: needs up to {} of memory ({} is free) and {} of disk ({} is free)",
            gib(self.memory),
            told(available_memory()),
            gib(self.disk),
            told(free),
        ));
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_grow_with_the_tasks_and_their_keys() {
        let mut plan = Backlog {
            tasks: 1_000_000,
            groups: 1,
            dedup_keys: false,
            data_dir: None,
        };
        let plain = Needs::of(&plan);
        plan.dedup_keys = true;
        let keyed = Needs::of(&plan);
        assert_eq!(keyed.memory - plain.memory, 40_000_000);
        assert_eq!(keyed.disk, plain.disk);
        assert_eq!(gib(3 << 29), "1.5 GiB");
    }
}
