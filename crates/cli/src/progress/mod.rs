//! How far it is, on stderr: a bar for a person at a terminal, plain lines for a log.

mod pace;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::talk::say;
use pace::{Pace, spoken};

/// Least time between two lines, unless a further tenth is done.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// How often a bar is drawn at most, in hertz: a terminal over a slow line must keep up.
const DRAWS_PER_SECOND: u8 = 8;

/// How much of some work is where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All of it.
    pub(crate) total: u64,
    /// Ended, whichever way.
    pub(crate) done: u64,
    /// Running now.
    pub(crate) running: u64,
    /// Ended badly.
    pub(crate) failed: u64,
}

/// Shows tallies.
pub(crate) struct Progress {
    form: Form,
    pace: Pace,
}

enum Form {
    Silent,
    Bar(ProgressBar),
    Lines(Lines),
}

impl Progress {
    /// Shows nothing unless it is `wanted`; a bar when stderr is a terminal.
    pub(crate) fn new(wanted: bool) -> Progress {
        let form = match wanted {
            false => Form::Silent,
            true if std::io::stderr().is_terminal() => Form::Bar(bar()),
            true => Form::Lines(Lines::default()),
        };
        Progress {
            form,
            pace: Pace::default(),
        }
    }

    /// Shows how far it is now.
    pub(crate) fn show(&mut self, tally: Tally) {
        let now = Instant::now();
        self.pace.record(now, tally.done);
        let rate = self.pace.per_second();
        match &mut self.form {
            Form::Silent => {}
            Form::Bar(bar) => {
                bar.set_length(tally.total);
                bar.set_position(tally.done);
                bar.set_message(rest(tally, rate));
            }
            Form::Lines(lines) => {
                if lines.due(now, tally) {
                    say(line(tally, rate));
                }
            }
        }
    }

    /// Shows the last tally and leaves it there.
    pub(crate) fn finish(mut self, tally: Tally) {
        self.show(tally);
        match &mut self.form {
            Form::Silent => {}
            Form::Bar(bar) => bar.abandon(),
            Form::Lines(lines) => {
                if lines.shown != Some(tally) {
                    say(line(tally, self.pace.per_second()));
                }
            }
        }
    }
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}{msg}");
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(
        style
            .expect("a template of known keys")
            .progress_chars("=> "),
    );
    bar
}

/// When plain lines are due.
#[derive(Default)]
struct Lines {
    last: Option<Instant>,
    shown: Option<Tally>,
}

impl Lines {
    fn due(&mut self, now: Instant, tally: Tally) -> bool {
        let tenth = |tally: &Tally| tally.done * 10 / tally.total.max(1);
        let changed = self.shown != Some(tally);
        let further = self.shown.as_ref().map(tenth) != Some(tenth(&tally));
        let waited = self.last.is_none_or(|last| now - last >= LINE_EVERY);
        let due = changed && (further || waited);
        if due {
            (self.last, self.shown) = (Some(now), Some(tally));
        }
        due
    }
}

fn line(tally: Tally, rate: Option<f64>) -> String {
    let percent = tally.done * 100 / tally.total.max(1);
    format!(
        "{}/{} done ({percent} %){}",
        tally.done,
        tally.total,
        rest(tally, rate)
    )
}

/// What follows the count: running, failed, rate and the time left.
fn rest(tally: Tally, rate: Option<f64>) -> String {
    let mut text = format!(", {} running, {} failed", tally.running, tally.failed);
    if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
        text.push_str(&format!(", {rate:.1}/s"));
        let left = tally.total.saturating_sub(tally.done);
        if left > 0 {
            text.push_str(&format!(", {} left", spoken(left as f64 / rate)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(done: u64, total: u64) -> Tally {
        Tally {
            total,
            done,
            running: 2,
            failed: 1,
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let shown = line(tally(50, 200), Some(10.0));
        assert_eq!(
            shown,
            "50/200 done (25 %), 2 running, 1 failed, 10.0/s, 15s left"
        );
        assert_eq!(
            line(tally(0, 0), None),
            "0/0 done (0 %), 2 running, 1 failed"
        );
    }

    #[test]
    fn lines_come_once_a_second_or_with_each_further_tenth() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        assert!(lines.due(start, tally(0, 100)), "the first");
        assert!(!lines.due(start, tally(5, 100)), "too soon");
        assert!(lines.due(start, tally(11, 100)), "a tenth more");
        assert!(
            lines.due(start + LINE_EVERY, tally(12, 100)),
            "a second later"
        );
        assert!(
            !lines.due(start + 3 * LINE_EVERY, tally(12, 100)),
            "nothing new"
        );
    }
}
