//! The stream of events, read to its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A stream that says nothing for so long has said everything.
const SILENCE: Duration = Duration::from_secs(5);

/// What a client prints until it ends or has nothing more to say; an error when history is gone.
pub(crate) fn events(mut command: Command) -> Result<Vec<Value>> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().context("no pipe")?;
    let (send, receive) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let mut events = Vec::new();
    loop {
        match receive.recv_timeout(SILENCE) {
            Ok(line) => events.push(serde_json::from_str::<Value>(&line?)?),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    child.kill()?;
    child.wait()?;
    // Its pipe is closed, so it ends.
    let _ = reader.join();
    let gap = events.iter().find(|event| event["type"] == "gap");
    ensure!(gap.is_none(), "events are missing: {gap:?}");
    Ok(events)
}
