//! Whose a process is, when its parents are gone.
//!
//! A process that detached itself (a double fork, `setsid`) has lost group, session and parents.
//! Two marks are left on it, both inherited through every fork and exec:
//! - its soft `RLIMIT_RTTIME`, a limit that means something to real-time processes only, set to a
//!   value that names the attempt. Anybody may read it, a process loses it only on purpose, and it
//!   survives an emptied or overwritten environment (`env -i`, PostgreSQL, nginx);
//! - the variable `CAPATAZ_ATTEMPT_TOKEN`, for kernels that do not show or keep the first.

use std::fs;

use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The variable that names an attempt to its own processes.
pub(crate) const TOKEN_VARIABLE: &str = "CAPATAZ_ATTEMPT_TOKEN";

/// Slots of a guard; the low bits of a mark.
const SLOT_BITS: u32 = 16;
/// Random bits of a guard's incarnation.
const NONCE_BITS: u32 = 44;
/// Set in every mark: as a time it is 36,000 years, so the limit never limits.
const MARK_BIT: u64 = 1 << (SLOT_BITS + NONCE_BITS);

/// The most attempts a guard runs at once.
pub(crate) const SLOTS_MAX: usize = 1 << SLOT_BITS;

/// Names an attempt among all that run on a host: the incarnation of its guard and its slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) nonce: u64,
    pub(crate) slot: u16,
}

impl Mark {
    /// A nonce out of any random number.
    pub(crate) fn nonce_of(random: u64) -> u64 {
        random & ((1 << NONCE_BITS) - 1)
    }

    /// The value of [`TOKEN_VARIABLE`].
    pub(crate) fn token(self) -> String {
        format!("{:011x}-{:04x}", self.nonce, self.slot)
    }

    fn limit(self) -> u64 {
        MARK_BIT | self.nonce << SLOT_BITS | u64::from(self.slot)
    }

    fn of_limit(limit: u64) -> Option<Mark> {
        (limit & !(MARK_BIT - 1) == MARK_BIT).then_some(Mark {
            nonce: (limit >> SLOT_BITS) & ((1 << NONCE_BITS) - 1),
            slot: limit as u16,
        })
    }

    fn of_token(token: &str) -> Option<Mark> {
        let (nonce, slot) = token.split_once('-')?;
        Some(Mark {
            nonce: u64::from_str_radix(nonce, 16).ok()?,
            slot: u16::from_str_radix(slot, 16).ok()?,
        })
    }

    /// Puts the mark on this process, from which the next child inherits it. Where the hard limit
    /// forbids it, the variable has to do.
    pub(crate) fn wear(self) {
        let maximum = getrlimit(Resource::Rttime).maximum;
        let _ = setrlimit(
            Resource::Rttime,
            Rlimit {
                current: Some(self.limit()),
                maximum,
            },
        );
    }

    /// The mark a process wears; none for those that never were an attempt's, and for the dead.
    pub(crate) fn worn_by(pid: Pid) -> Option<Mark> {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok();
        let worn = limits
            .as_deref()
            .and_then(soft_rttime)
            .and_then(Mark::of_limit);
        worn.or_else(|| token_of(&fs::read(format!("/proc/{pid}/environ")).ok()?))
    }
}

fn soft_rttime(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn token_of(environ: &[u8]) -> Option<Mark> {
    environ.split(|byte| *byte == 0).find_map(|variable| {
        let variable = std::str::from_utf8(variable).ok()?;
        Mark::of_token(variable.strip_prefix(TOKEN_VARIABLE)?.strip_prefix('=')?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_mark_read_back() {
        for mark in [
            Mark {
                nonce: Mark::nonce_of(u64::MAX),
                slot: u16::MAX,
            },
            Mark { nonce: 0, slot: 0 },
            Mark {
                nonce: 0xabc,
                slot: 7,
            },
        ] {
            assert_eq!(Mark::of_limit(mark.limit()), Some(mark));
            assert_eq!(Mark::of_token(&mark.token()), Some(mark));
        }
    }

    #[test]
    fn other_limits_and_environments_are_no_marks() {
        assert_eq!(Mark::of_limit(u64::MAX), None);
        assert_eq!(Mark::of_limit(200_000), None);
        assert_eq!(token_of(b"PATH=/bin\0CAPATAZ_ATTEMPT_TOKENS=1-1\0"), None);
        let mark = Mark { nonce: 5, slot: 1 };
        let environ = format!("PATH=/bin\0{TOKEN_VARIABLE}={}\0", mark.token());
        assert_eq!(token_of(environ.as_bytes()), Some(mark));
    }

    #[test]
    fn the_limit_is_read_from_the_kernels_table() {
        let table = "Max realtime priority     0        0        \n\
                     Max realtime timeout      4611686018427387904 unlimited us\n";
        assert_eq!(soft_rttime(table), Some(1 << 62));
        assert_eq!(
            soft_rttime("Max realtime timeout      unlimited unlimited us\n"),
            None
        );
    }
}
