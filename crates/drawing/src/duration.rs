//! Durations in few characters.

const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Columns of the longest duration below a hundred days.
pub(crate) const COLUMNS: usize = 7;

/// Microseconds as a person says them: `12ms`, `1.2s`, `1m 12s`, `2h 05m`, `3d 04h`.
pub(crate) fn spoken(micros: u64) -> String {
    match micros {
        0..SECOND => format!("{}ms", micros / MILLISECOND),
        SECOND..MINUTE => format!("{}.{}s", micros / SECOND, micros % SECOND / (SECOND / 10)),
        MINUTE..HOUR => format!("{}m {:02}s", micros / MINUTE, micros % MINUTE / SECOND),
        HOUR..DAY => format!("{}h {:02}m", micros / HOUR, micros % HOUR / MINUTE),
        _ => format!("{}d {:02}h", micros / DAY, micros % DAY / HOUR),
    }
}

/// A round duration without the parts that are zero: `250ms`, `15s`, `2m`, `1h 30m`.
pub(crate) fn round(micros: u64) -> String {
    let units = [
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "m"),
        (SECOND, "s"),
        (MILLISECOND, "ms"),
    ];
    let mut rest = micros;
    let mut parts = Vec::new();
    for (unit, name) in units {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_at_the_most() {
        assert_eq!(spoken(0), "0ms");
        assert_eq!(spoken(999_999), "999ms");
        assert_eq!(spoken(1_250_000), "1.2s");
        assert_eq!(spoken(72_000_000), "1m 12s");
        assert_eq!(spoken(2 * HOUR + 5 * MINUTE), "2h 05m");
        assert_eq!(spoken(99 * DAY), "99d 00h");
        assert_eq!(spoken(99 * DAY).len(), COLUMNS);
    }

    #[test]
    fn round_ones_leave_out_zeros() {
        assert_eq!(round(0), "0s");
        assert_eq!(round(250_000), "250ms");
        assert_eq!(round(90 * MINUTE), "1h 30m");
    }
}
