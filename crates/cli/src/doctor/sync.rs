//! How long the disk takes to make an append durable: the floor under every acknowledgement.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Check;
use crate::quantiles::Quantiles;

/// Appends that are measured.
pub(crate) const APPENDS: usize = 200;

/// Bytes of one append: a page, about what a small batch takes.
const APPEND_BYTES: usize = 4_096;

/// A median below this means that nothing reached a disk: even flash with a battery takes longer.
const TOO_FAST: Duration = Duration::from_micros(20);

/// A 99th percentile above this is felt in every submit.
const SLOW: Duration = Duration::from_millis(50);

/// Milliseconds of one append and sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct SyncMillis {
    /// Half of them took at most this.
    pub(crate) p50: f64,
    /// All but one in a hundred.
    pub(crate) p99: f64,
}

impl From<&Quantiles> for SyncMillis {
    fn from(taken: &Quantiles) -> SyncMillis {
        SyncMillis {
            p50: taken.at(0.5),
            p99: taken.at(0.99),
        }
    }
}

/// Appends to a growing file of its own in `folder` and syncs each, as a journal does; adds the
/// milliseconds that each took to `taken`.
pub(crate) fn measure(folder: &Path, taken: &mut Quantiles) -> io::Result<()> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let page = [0x5A; APPEND_BYTES];
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        taken.add(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

/// Whether that is what a disk does.
pub(super) fn check(folder: &Path) -> Check {
    let name = "sync";
    let mut taken = Quantiles::default();
    if let Err(error) = measure(folder, &mut taken) {
        let found = format!("{} cannot be written: {error}", folder.display());
        return Check::failed(name, found, "choose another --data-dir, or its permissions");
    }
    let millis = SyncMillis::from(&taken);
    let found = format!(
        "p50 {:.2} ms, p99 {:.2} ms ({APPENDS} appends of 4 KiB)",
        millis.p50, millis.p99
    );
    if millis.p50 < TOO_FAST.as_secs_f64() * 1e3 {
        let hint = "no disk is that fast: syncs may be ignored, and a power loss would cost data";
        return Check::warning(name, found, hint);
    }
    if millis.p99 > SLOW.as_secs_f64() * 1e3 {
        return Check::warning(name, found, "every acknowledgement waits for this");
    }
    Check::ok(name, found)
}
