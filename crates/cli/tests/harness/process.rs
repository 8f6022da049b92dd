//! One process of the binary, and what a finished one came to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a condition may take to come true: far more than it needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something, and fails the test with `what` when that takes too long.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "still not after {PATIENCE:?}: {what}"
        );
        std::thread::sleep(LOOK);
    }
}

/// Whether a process of this id runs; one that waits to be reaped does not.
pub fn alive(id: i32) -> bool {
    match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z")),
        Err(_) => false,
    }
}

/// A process in the background. It is killed and reaped when it is dropped.
pub struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    /// Starts `command`; what it says goes to the file `said`, after what is there.
    pub fn start(mut command: Command, said: &Path) -> Process {
        let file = File::options()
            .create(true)
            .append(true)
            .open(said)
            .unwrap();
        let also = file.try_clone().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(also)
            .spawn()
            .unwrap();
        Process {
            child,
            said: said.to_owned(),
        }
    }

    pub fn id(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// What it has printed and said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap()).into_owned()
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().unwrap().is_none() {
            kill(Pid::from_raw(self.id()), signal).unwrap();
        }
    }

    /// Kills it as nothing can be prepared for.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> ExitStatus {
        until("the process ends", || self.child.try_wait().unwrap())
    }

    /// Fails the test, with what it said, when it has ended.
    pub fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended with {status}: {}", self.said());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; a zombie keeps its id, so nobody else is hit.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.said.display(), self.said());
        }
    }
}

/// What a finished process came to.
#[derive(Debug)]
pub struct Run {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Runs `command` to its end.
    pub fn of(mut command: Command) -> Run {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Run {
            exit: output.status.code().expect("not ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its stdout; the test fails when its exit code is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        assert_eq!(self.exit, code, "{self:?}");
        self.stdout
    }

    /// Its stdout as lines, when it succeeded.
    #[track_caller]
    pub fn lines(self) -> Vec<String> {
        self.exits(0).lines().map(str::to_owned).collect()
    }

    /// Its stdout as JSON, when it succeeded.
    #[track_caller]
    pub fn json(self) -> Value {
        let stdout = self.exits(0);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }
}
