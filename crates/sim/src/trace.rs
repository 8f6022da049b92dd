//! What happened, in lines: all of it as a hash, the last lines for a reader.

use std::collections::VecDeque;

use crate::clock::Time;

/// Lines shown with a failure: what a reader takes in.
const SHOWN: usize = 60;

/// Characters of such a line: what a reader takes in at a glance. A whole trace has all of them.
const SHOWN_CHARACTERS: usize = 240;

/// Which lines are kept. Writing them takes longer than the simulation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Last,
    Whole,
}

/// The lines of one simulation.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    keep: Keep,
    last: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            keep,
            last: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, now: Time, line: impl FnOnce() -> String) {
        if self.keep == Keep::Nothing {
            return;
        }
        let line = format!("{:>11.6} {}", now as f64 / 1e6, line());
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.keep == Keep::Whole {
            return self.last.push_back(line);
        }
        if self.last.len() >= SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(cut(line));
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(self) -> Vec<String> {
        self.last.into()
    }
}

/// A line of at most so many characters.
fn cut(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(SHOWN_CHARACTERS) {
        let left = line.len() - end;
        line.truncate(end);
        line.push_str(&format!(" ... {left} bytes more"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_nobody_reads_to_its_end_is_cut() {
        for (keep, whole) in [(Keep::Last, false), (Keep::Whole, true)] {
            let mut trace = Trace::new(keep);
            trace.add(0, || "\u{fc}".repeat(2_000));
            let line = &trace.lines()[0];
            assert_eq!(line.chars().count() > 2_000, whole, "{line}");
            assert_eq!(line.ends_with(" bytes more"), !whole, "{line}");
        }
    }
}
