//! The system calls of the guard that no safe wrapper offers: the only unsafe code of the worker.

use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::outcome::Usage;

/// What asks a program to end, and must not end a guard whose worker still drains: that its worker
/// is gone is its one reason to end.
const UNHEEDED: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// Sets the signals back to their defaults, since what a worker was started with, `nohup` for one,
/// must not reach the attempts, and an ignored SIGCHLD would make the kernel swallow their ends.
/// Those the guard does not heed get a handler, which an exec removes: ignored or blocked ones
/// would be so for the attempts as well.
#[expect(unsafe_code, reason = "signal(2) has no safe wrapper")]
pub(super) fn reset_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    for signal in Signal::iterator() {
        let action = match signal {
            // These two cannot be set, and the next three are the Rust runtime's, which sets
            // SIGPIPE back for each child.
            Signal::SIGKILL | Signal::SIGSTOP => continue,
            Signal::SIGPIPE | Signal::SIGSEGV | Signal::SIGBUS => continue,
            unheeded if UNHEEDED.contains(&unheeded) => SigHandler::Handler(nothing),
            _ => SigHandler::SigDfl,
        };
        // SAFETY: the default action runs no code of ours, and the handler does nothing, which is
        // sound at any moment. A failure leaves the signal as it was.
        let _ = unsafe { nix::sys::signal::signal(signal, action) };
    }
}

/// Keeps descriptors that the worker was started with, and left open for its children without a
/// purpose, from reaching the attempts.
#[expect(
    unsafe_code,
    reason = "descriptors found in /proc have no owner that could lend them"
)]
pub(super) fn close_inherited_on_exec() {
    let open = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<libc::c_int>().ok());
    for fd in numbers.filter(|fd| *fd > libc::STDERR_FILENO) {
        // SAFETY: this only sets a flag, which the owner of the descriptor does not notice, and
        // fails without an effect on a number that is not open any more.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Reaps the child `pid`, which has ended: how, and what it used with the children it waited for.
#[expect(
    unsafe_code,
    reason = "wait4(2), the only call that gives one child's usage, is not in nix"
)]
pub(super) fn reap(pid: Pid) -> nix::Result<(WaitStatus, Usage)> {
    let mut status: libc::c_int = 0;
    // SAFETY: rusage is plain numbers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call.
    let reaped = unsafe { libc::wait4(pid.as_raw(), &mut status, libc::WNOHANG, &mut usage) };
    match nix::errno::Errno::result(reaped)? {
        0 => Ok((WaitStatus::StillAlive, Usage::default())),
        _ => Ok((WaitStatus::from_raw(pid, status)?, measured(&usage))),
    }
}

fn measured(usage: &libc::rusage) -> Usage {
    let span = |time: libc::timeval| {
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_usec.unsigned_abs() as u32 * 1000,
        )
    };
    Usage {
        // Linux counts it in KiB.
        max_rss_bytes: usage.ru_maxrss.unsigned_abs() * 1024,
        cpu_user: span(usage.ru_utime),
        cpu_system: span(usage.ru_stime),
        wall: Duration::ZERO,
    }
}
