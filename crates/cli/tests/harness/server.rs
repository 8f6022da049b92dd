//! A server, its workers and its clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, Run, until};

/// Silence after which a worker is lost, for tests that wait for it: the shortest that a busy
/// machine does not mistake.
pub const SHORT_LEASE: &str = "2s";

/// A folder without settings, token or data, and the binary in it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and says where.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What is in a file by now; nothing when it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// The binary, without the variables of whoever runs the tests.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_capataz"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CAPATAZ_") {
                command.env_remove(name);
            }
        }
        command.env("CAPATAZ_WORKER_STATE_DIR", self.path().join("workers"));
        command.current_dir(self.path()).args(arguments);
        command
    }
}

/// A server in a folder of its own.
pub struct Server {
    process: Process,
    data: PathBuf,
    address: String,
    token: String,
    lease: Option<&'static str>,
    // Dropped last: the processes of this server write into it.
    place: Place,
}

impl Server {
    /// Starts one, and waits until it is ready.
    pub fn start() -> Server {
        Server::with_lease(None)
    }

    /// Starts one that soon misses a silent worker.
    pub fn impatient() -> Server {
        Server::with_lease(Some(SHORT_LEASE))
    }

    fn with_lease(lease: Option<&'static str>) -> Server {
        let place = Place::new();
        let data = place.path().join("data");
        let mut process = serve(&place, &data, "127.0.0.1:0", lease);
        let address = ready(&mut process, &data);
        let token = fs::read_to_string(data.join("admin-token"))
            .unwrap()
            .trim()
            .to_owned();
        Server {
            process,
            data,
            address,
            token,
            lease,
            place,
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// `http://HOST:PORT`
    pub fn url(&self) -> &str {
        &self.address
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop, and says what it ended with.
    pub fn stop(&mut self) -> i32 {
        self.process.signal(Signal::SIGTERM);
        self.process.ended().code().expect("it ends by itself")
    }

    /// Starts it again after its end, at the address it had.
    pub fn restart(&mut self) {
        fs::remove_file(self.data.join("address")).unwrap();
        let listen = self.address.strip_prefix("http://").unwrap().to_owned();
        self.process = serve(&self.place, &self.data, &listen, self.lease);
        assert_eq!(ready(&mut self.process, &self.data), self.address);
    }

    /// A client or worker of this server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command
            .env("CAPATAZ_SERVER", &self.address)
            .env("CAPATAZ_TOKEN", &self.token);
        command
    }

    /// Runs `capataz LINE`; words are what blanks separate.
    pub fn run(&self, line: &str) -> Run {
        let words: Vec<&str> = line.split_whitespace().collect();
        Run::of(self.command(&words))
    }

    /// Runs `capataz LINE -- ARGV`.
    pub fn run_argv(&self, line: &str, argv: &[&str]) -> Run {
        let words = line
            .split_whitespace()
            .chain(["--"])
            .chain(argv.iter().copied());
        let words: Vec<&str> = words.collect();
        Run::of(self.command(&words))
    }

    /// Submits one task that runs a shell script, and returns its id.
    #[track_caller]
    pub fn submit_script(&self, flags: &str, script: &str) -> String {
        let argv = ["/bin/sh", "-c", script];
        self.run_argv(&format!("submit {flags}"), &argv)
            .exits(0)
            .trim()
            .to_owned()
    }

    /// Starts `capataz worker FLAGS` in the background.
    pub fn worker(&self, flags: &str) -> Process {
        let words: Vec<&str> = ["worker"]
            .into_iter()
            .chain(flags.split_whitespace())
            .collect();
        let name = flags.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let said = self.place.path().join(format!("worker{name}.log"));
        Process::start(self.command(&words), &said)
    }

    /// A task with its attempts.
    #[track_caller]
    pub fn task(&self, id: &str) -> Value {
        self.run(&format!("task show {id} --output json")).json()
    }

    /// Waits until a task is in a state, and returns it.
    pub fn until_state(&self, id: &str, state: &str) -> Value {
        until(&format!("task {id} is {state}"), || {
            Some(self.task(id)).filter(|task| task["state"] == state)
        })
    }

    /// The items of `capataz LINE --output json`.
    #[track_caller]
    pub fn items(&self, line: &str) -> Vec<Value> {
        let page = self.run(&format!("{line} --output json")).json();
        page["items"]
            .as_array()
            .unwrap_or_else(|| panic!("no items: {page}"))
            .clone()
    }

    /// The same, once they are `count`: a list is as new as the store, which follows behind.
    pub fn listed(&self, line: &str, count: usize) -> Vec<Value> {
        until(&format!("{line} has {count} items"), || {
            Some(self.items(line)).filter(|items| items.len() == count)
        })
    }
}

fn serve(place: &Place, data: &Path, listen: &str, lease: Option<&str>) -> Process {
    let data = data.to_str().unwrap();
    let mut command = place.command(&["serve", "--data-dir", data, "--listen", listen]);
    if let Some(lease) = lease {
        command.env("CAPATAZ_SERVE_LEASE_TTL", lease);
    }
    Process::start(command, &place.path().join("serve.log"))
}

/// The address that it writes down once it is ready.
fn ready(process: &mut Process, data: &Path) -> String {
    until("the server writes its address", || {
        process.must_run();
        let text = fs::read_to_string(data.join("address")).ok()?;
        text.strip_suffix('\n').map(str::to_owned)
    })
}
