//! What the tasks of a bar run: a process that holds a lock of its pod while it lives, and writes
//! down when it begins and ends.
//!
//! The kernel gives a lock back when its holder is gone, however it ended. A process that finds
//! all locks of the pod taken has therefore met more living processes than the pod has slots.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};

/// The file in the folder that all witnesses of a bar append to.
pub(crate) const RECORD: &str = "record";

/// For witnesses of no pod in particular: they hold no lock.
pub(crate) const NO_SLOTS: &str = "0";

/// `witness FOLDER SLOTS FIRST THEN`: the first attempt lasts FIRST milliseconds, others THEN.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let arguments: Vec<String> = arguments.collect();
    let [folder, slots, first, then] = arguments.as_slice() else {
        bail!("expected FOLDER SLOTS FIRST THEN, got {arguments:?}");
    };
    let folder = Path::new(folder);
    let mut record = File::options()
        .create(true)
        .append(true)
        .open(folder.join(RECORD))?;
    let held = first_free(folder, slots.parse()?)?;
    let slot = held
        .as_ref()
        .map_or("none".to_owned(), |(slot, _)| slot.to_string());
    write(&mut record, "begin", &slot)?;
    let length = if variable("CAPATAZ_ATTEMPT")? == "1" {
        first
    } else {
        then
    };
    std::thread::sleep(Duration::from_millis(length.parse()?));
    write(&mut record, "end", &slot)
}

/// The first lock that nobody holds; none when all are held.
fn first_free(folder: &Path, slots: usize) -> Result<Option<(usize, Flock<File>)>> {
    for slot in 0..slots {
        let path = folder.join(format!("slot-{slot}"));
        let file = File::options().create(true).append(true).open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some((slot, lock))),
            Err((_, nix::Error::EWOULDBLOCK)) => {}
            Err((_, error)) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// One line in one write, so that lines of several processes never mix.
fn write(record: &mut File, what: &str, slot: &str) -> Result<()> {
    let (task, attempt) = (variable("CAPATAZ_TASK_ID")?, variable("CAPATAZ_ATTEMPT")?);
    let worker = variable("CAPATAZ_WORKER")?;
    let line = format!("{what} {task} {attempt} {worker} {slot} {}\n", now()?);
    Ok(record.write_all(line.as_bytes())?)
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("there is no variable {name}"))
}

/// Nanoseconds of the clock that all processes of this machine share and nobody sets.
fn now() -> Result<i64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}
