//! What a process takes, as the kernel counts it.

use serde::Serialize;

/// Ticks a second of the times in `/proc/PID/stat`: the same on every Linux, however its kernel was
/// built.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where the processor time in user mode stands in `/proc/PID/stat`, counted after the program's
/// name; the time in the kernel follows it.
const USER_TIME: usize = 11;

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) rss_bytes: u64,
    /// What of it is the process's own, rather than a file's.
    pub(crate) anonymous_bytes: u64,
}

/// The memory that a process takes now; `None` where that cannot be seen.
pub(crate) fn memory(process: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Memory {
        rss_bytes: kibibytes(&status, "VmRSS:")? * 1024,
        anonymous_bytes: kibibytes(&status, "RssAnon:")? * 1024,
    })
}

/// The memory that processes may still take on this machine; `None` where that cannot be seen.
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(kibibytes(&text, "MemAvailable:")? * 1024)
}

/// Seconds of processor time that a process has taken, all its threads together and those that have
/// ended too; `None` where that cannot be seen.
pub(crate) fn cpu_seconds(process: u32) -> Option<f64> {
    ticks(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
        .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
}

/// The memory of this machine; `None` where that cannot be seen.
pub(crate) fn total_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(kibibytes(&text, "MemTotal:")? * 1024)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn ticks(stat: &str) -> Option<u64> {
    // The name may have blanks and brackets in it; after its last bracket there are numbers only.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(USER_TIME);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0";
        assert_eq!(ticks(stat), Some(168));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_takes_something() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.rss_bytes >= memory.anonymous_bytes && memory.anonymous_bytes > 0);
        assert!(cpu_seconds(own).is_some());
        assert!(available_memory().unwrap() > 0);
    }
}
