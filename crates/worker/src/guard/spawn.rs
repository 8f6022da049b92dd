//! Starting an attempt's main process.
//!
//! The standard library's fast path (posix_spawn, which borrows the parent's memory instead of
//! copying its tables) is kept: an absolute program, a clean environment, a process group, and no
//! closure to run in the child. What such a closure would do is inherited from the guard instead
//! (the mark, core size, no_new_privs), or set on the child right after its start (rlimits).

use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::{AccessFlags, Pid, access};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::frame::{End, Start};
use super::mark::{Mark, TOKEN_VARIABLE};
use super::scratch::Scratch;
use crate::process::Limits;

/// Where a command is looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The three streams of a process.
pub(super) struct Streams {
    pub(super) stdin: File,
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

/// Starts processes the way one worker wants them.
pub(super) struct Spawner {
    env: Vec<(String, String)>,
    limits: Limits,
    /// The guard's own bound on open files, raised, and what it was for the children.
    open_files: OpenFiles,
}

impl Spawner {
    /// Also sets what children inherit from the guard itself.
    pub(super) fn new(env: Vec<(String, String)>, limits: Limits) -> Spawner {
        let _ = setrlimit(
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        );
        if limits.no_new_privs {
            // Refused only by kernels before 3.5.
            let _ = nix::sys::prctl::set_no_new_privs();
        }
        Spawner {
            env,
            limits,
            open_files: OpenFiles::raise(),
        }
    }

    /// Starts the process; returns its id, which is its group's too.
    pub(super) fn spawn(
        &self,
        start: &Start,
        mark: Mark,
        scratch: &Scratch,
        streams: Streams,
    ) -> Result<Pid, End> {
        let name = start.argv.first().map_or("", String::as_str);
        let program = self.resolve(name, start)?;
        let mut command = Command::new(&program);
        command
            .arg0(name)
            .args(&start.argv[1..])
            .env_clear()
            .envs(
                self.env
                    .iter()
                    .chain(&start.env)
                    .map(|(name, value)| (name, value)),
            )
            .env("CAPATAZ_SCRATCH", scratch.folder())
            .env("CAPATAZ_PAYLOAD", scratch.payload())
            .env("CAPATAZ_OUTPUT", scratch.output())
            .env("CAPATAZ_CONTROL", scratch.control())
            .env(TOKEN_VARIABLE, mark.token())
            .process_group(0)
            .stdin(streams.stdin)
            .stdout(streams.stdout)
            .stderr(streams.stderr);
        mark.wear();
        self.open_files.lower();
        let child = unblocked(|| command.spawn());
        self.open_files.restore();
        let child = child.map_err(|error| not_started(&program.to_string_lossy(), &error))?;
        let pid = Pid::from_raw(child.id() as i32);
        limit(pid, &self.limits);
        Ok(pid)
    }

    /// Finds the program as a shell would: by its path if it has one, else along `PATH`.
    fn resolve(&self, name: &str, start: &Start) -> Result<PathBuf, End> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        let of = |env: &[(String, String)]| {
            env.iter()
                .rev()
                .find(|(name, _)| name == "PATH")
                .map(|(_, value)| value.clone())
        };
        let path = of(&start.env)
            .or_else(|| of(&self.env))
            .unwrap_or(DEFAULT_PATH.to_owned());
        let mut errno = libc::ENOENT;
        for folder in path
            .split(':')
            .filter(|folder| !folder.is_empty() && !name.is_empty())
        {
            let candidate = Path::new(folder).join(name);
            if access(&candidate, AccessFlags::X_OK).is_ok() && candidate.is_file() {
                return Ok(candidate);
            }
            if candidate.is_file() {
                errno = libc::EACCES;
            }
        }
        let message = match errno {
            libc::EACCES => format!("{name}: found along PATH ({path}) but not executable"),
            _ => format!("{name}: no such command along PATH ({path})"),
        };
        Err(End::NotStarted {
            errno: Some(errno),
            message,
        })
    }
}

/// Children inherit the mask of blocked signals, so the guard's own SIGCHLD is let through for the
/// moment. One that is lost by that is no loss: the loop reaps after each message it obeyed.
fn unblocked<T>(action: impl FnOnce() -> T) -> T {
    let blocked = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let result = action();
    if let Ok(blocked) = blocked {
        // Fails for a wrong `how` only.
        let _ = blocked.thread_set_mask();
    }
    result
}

fn not_started(what: &str, error: &io::Error) -> End {
    End::NotStarted {
        errno: error.raw_os_error(),
        message: format!("{what}: {error}"),
    }
}

/// Puts the operator's limits on a process that has just begun. Only a program that changed its
/// user can refuse, which `no_new_privs` prevents and an operator who turned it off wanted.
fn limit(pid: Pid, limits: &Limits) {
    let Some(pid) = rustix::process::Pid::from_raw(pid.as_raw()) else {
        return;
    };
    let wanted = [
        (Resource::As, limits.memory_bytes),
        (Resource::Cpu, limits.cpu.map(|span| span.as_secs().max(1))),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
    ];
    for (resource, bound) in wanted {
        if let Some(bound) = bound {
            let bound = getrlimit(resource)
                .maximum
                .map_or(bound, |hard| hard.min(bound));
            let _ = prlimit(
                Some(pid),
                resource,
                Rlimit {
                    current: Some(bound),
                    maximum: Some(bound),
                },
            );
        }
    }
}

/// The guard holds two pipes for each attempt, so it raises its own bound on open files to what it
/// may; children get back what the worker had.
struct OpenFiles {
    own: Rlimit,
    raised: Rlimit,
}

impl OpenFiles {
    fn raise() -> OpenFiles {
        let own = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: own.maximum,
            maximum: own.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => OpenFiles { own, raised },
            Err(_) => OpenFiles { raised: own, own },
        }
    }

    fn lower(&self) {
        self.set(&self.own);
    }

    fn restore(&self) {
        self.set(&self.raised);
    }

    fn set(&self, limit: &Rlimit) {
        if self.own != self.raised {
            // Soft limits below the hard one can always be set.
            let _ = setrlimit(Resource::Nofile, *limit);
        }
    }
}
