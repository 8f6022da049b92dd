//! What happened, in lines: all of it as a hash, the last lines for a reader.

use std::collections::VecDeque;

use crate::clock::Time;

/// Lines shown with a failure: what a reader takes in.
const SHOWN: usize = 60;

/// The lines of one simulation.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    shown: usize,
    last: VecDeque<String>,
}

impl Trace {
    /// Keeps every line when `whole`, else the last few.
    pub(crate) fn new(whole: bool) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            shown: if whole { usize::MAX } else { SHOWN },
            last: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, now: Time, line: &str) {
        let line = format!("{:>11.6} {line}", now as f64 / 1e6);
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.last.len() >= self.shown {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(self) -> Vec<String> {
        self.last.into()
    }
}
