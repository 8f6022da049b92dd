//! Processes that take a given time and do nothing else.

use serde_json::{Value, json};

/// How a step takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// It sleeps: so many seconds by the clock, and next to no work for the machine. Any number of
    /// slots fits on any machine, and the makespan shows what scheduling costs. `sleep` must take
    /// fractions, as that of GNU, BSD, macOS and busybox does.
    Sleep,
    /// It computes until it has used so many seconds of one core, as the kernel counts them. With
    /// more slots than cores the machine is the limit: 8 slots on 2 cores take at least four times
    /// as long as on 8. It ends 10 to 20 ms late: the kernel's clock for this has ticks of 10 ms in
    /// some shells, and it is looked at about every millisecond or two.
    Cpu,
}

/// The variable that holds [`BURN`] for all steps, so that it is not written with each of them.
const BURN_VARIABLE: &str = "BURN";

/// Computes until this process has used `$1` hundredths of a second of CPU time, with nothing but
/// what a POSIX shell has built in. The left side counts and says now and then what `times` says of
/// it; the right side adds up user and system time, whose fractions have two to six digits, and ends
/// when it is enough; then the left side has nobody to talk to and ends, too.
const BURN: &str = concat!(
    "LC_ALL=C IFS='ms. '; ",
    "while :; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; times || exit; done 2>/dev/null | { ",
    "while read -r um us uf sm ss sf rest; do read -r children; uf=1$uf sf=1$sf; ",
    "while [ $uf -gt 199 ]; do uf=$((uf/10)); done; ",
    "while [ $sf -gt 199 ]; do sf=$((sf/10)); done; ",
    "[ $(((um+sm)*6000+(us+ss)*100+uf+sf-200)) -ge $1 ] && exit 0; done; exit 1; }",
);

/// Microseconds of what `times` can tell apart in every shell.
const BURN_UNIT_US: u64 = 10_000;

impl Replay {
    /// The time that a step really takes for so many microseconds.
    pub(super) fn rounded(self, micros: u64) -> u64 {
        match self {
            Replay::Sleep => micros,
            Replay::Cpu => (micros + BURN_UNIT_US / 2) / BURN_UNIT_US * BURN_UNIT_US,
        }
    }

    /// What takes so many microseconds, as rounded. What takes none is a process nevertheless: a
    /// step without one would not show what a task costs.
    pub(super) fn argv(self, micros: u64) -> Vec<String> {
        let argv = match self {
            Replay::Cpu if micros > 0 => {
                let units = (micros / BURN_UNIT_US).to_string();
                let eval = format!("eval \"${BURN_VARIABLE}\"");
                return vec![
                    "sh".to_owned(),
                    "-c".to_owned(),
                    eval,
                    "burn".to_owned(),
                    units,
                ];
            }
            Replay::Sleep | Replay::Cpu => ["sleep".to_owned(), seconds(micros)],
        };
        argv.into()
    }

    /// Variables that all steps need.
    pub(super) fn env(self) -> Option<Value> {
        match self {
            Replay::Sleep => None,
            Replay::Cpu => Some(json!({ BURN_VARIABLE: BURN })),
        }
    }
}

/// Seconds as a decimal number without zeros at its end: `0.123`, `12`, `0`.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
