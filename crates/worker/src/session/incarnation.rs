//! Which life of a worker a session belongs to.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of one process's life under a worker's name. A later start has a higher number, so
/// that a master lets the later one win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u128);

impl Incarnation {
    /// A number for a process that starts now: the microseconds since 1970 above 64 random bits,
    /// which tell two starts of the same microsecond apart.
    pub fn begin() -> Incarnation {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros() as u64);
        Incarnation(u128::from(micros) << 64 | u128::from(rand::random::<u64>()))
    }

    /// As it goes over the wire.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_start_has_a_higher_number() {
        let first = Incarnation::begin();
        // The clock of a start has microseconds: wait until it has moved.
        let second = loop {
            let next = Incarnation::begin();
            if next.0 >> 64 != first.0 >> 64 {
                break next;
            }
        };
        assert!(second > first);
        assert!(second.to_bytes() > first.to_bytes());
    }
}
