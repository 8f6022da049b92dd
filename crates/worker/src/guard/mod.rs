//! The guard: one small process per worker that starts its attempts' processes and outlives it.
//!
//! The guard is the same binary, executed again. It is single-threaded and waits in one `poll`; it
//! is a child subreaper in a session of its own, so that every descendant of an attempt stays
//! below it and a Ctrl-C meant for the worker does not end it. It holds each attempt's lease
//! deadline on `CLOCK_BOOTTIME` and kills what the worker does not extend; when the worker's end of
//! their socket closes it kills everything at once and exits. `docs/design/guard.md` explains.
//!
//! The guard knows nothing of tasks, retries or outcomes: it says how a process ended, why it was
//! stopped and that nothing of it is left.

mod attempt;
mod capture;
mod children;
pub(crate) mod frame;
mod lifeline;
pub(crate) mod mark;
mod scratch;
mod spawn;
mod sys;
mod warden;
mod wards;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl;

pub(crate) use children::{is_dead, processes, start_time};
use lifeline::Lifeline;
use warden::Warden;

/// The first argument that makes a program a guard.
pub const GUARD_ARGUMENT: &str = "guard";

/// The exit code of a guard that could not guard.
const BROKEN: u8 = 1;

/// Becomes the guard, and never returns, when this process was started as one. Programs that run
/// workers through the library call this first thing in `main`, before they start threads.
pub fn run_if_guard() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == GUARD_ARGUMENT) {
        let code = guard_main(args);
        // `ExitCode` cannot be turned into a number, and only `main` could return it.
        std::process::exit(if code == ExitCode::SUCCESS {
            0
        } else {
            i32::from(BROKEN)
        });
    }
}

/// The guard's whole life: until its worker is gone and everything it started is too. `args` are
/// those after [`GUARD_ARGUMENT`]; they only serve to recognise the process in a list.
pub fn guard_main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    match guard() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("capataz guard: {error}");
            ExitCode::from(BROKEN)
        }
    }
}

fn guard() -> Result<(), GuardError> {
    sys::reset_signals();
    sys::close_inherited_on_exec();
    let stdin = std::io::stdin();
    let socket = stdin
        .as_fd()
        .try_clone_to_owned()
        .map_err(GuardError::NoWorker)?;
    let socket = UnixStream::from(socket);
    socket.peer_addr().map_err(GuardError::NoWorker)?;
    let setup = |what| move |errno| GuardError::Kernel { what, errno };
    nix::unistd::setsid().map_err(setup("a session of its own"))?;
    prctl::set_child_subreaper(true).map_err(setup("to be a child subreaper"))?;
    prctl::set_name(c"capataz-guard").map_err(setup("its name"))?;
    let lifeline = Lifeline::new(socket).map_err(GuardError::NoWorker)?;
    Warden::new(lifeline)
        .map_err(setup("its descriptors"))?
        .run()
}

/// Why a guard could not guard, or had to give up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    #[error("stdin is no socket of a worker (only a worker starts a guard): {0}")]
    NoWorker(std::io::Error),
    #[error("the kernel refused the guard {what}: {errno}")]
    Kernel {
        what: &'static str,
        errno: nix::Error,
    },
    #[error("the scratch folder {folder} cannot be made: {cause}")]
    Scratch {
        folder: String,
        cause: std::io::Error,
    },
    #[error("the worker spoke first of something else than its setup")]
    NoSetup,
    #[error("the worker sent what is no frame of this version: {0}")]
    Frame(#[from] frame::FrameError),
}
