//! Whether wall clock and monotonic clock agree on how fast time passes.

use std::time::{Duration, Instant, SystemTime};

use super::Check;

/// How long they are compared.
const COMPARED: Duration = Duration::from_millis(250);

/// How far apart they may be after that: more is a clock being set, or a broken timer.
const APART: Duration = Duration::from_millis(25);

/// The end of 2020: a clock before that was never set.
const PLAUSIBLE: Duration = Duration::from_secs(1_609_459_200);

pub(super) fn check() -> Check {
    let name = "clock";
    let (wall, monotonic) = (SystemTime::now(), Instant::now());
    std::thread::sleep(COMPARED);
    let (wall_passed, passed) = (wall.elapsed(), monotonic.elapsed());
    if wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        < PLAUSIBLE
    {
        return Check::failed(
            name,
            "the wall clock was never set".to_owned(),
            "set it, by NTP",
        );
    }
    match wall_passed {
        Ok(wall_passed) if wall_passed.abs_diff(passed) <= APART => {
            let apart = wall_passed.abs_diff(passed).as_secs_f64() * 1e3;
            Check::ok(name, format!("wall and monotonic agree to {apart:.2} ms"))
        }
        _ => Check::warning(
            name,
            "the wall clock jumped while it was watched".to_owned(),
            "leases do not mind; times shown and `run_at` do",
        ),
    }
}
