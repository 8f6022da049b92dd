//! Development tasks: `cargo xtask ci` runs what CI runs, `cargo xtask tidy` checks the rules that
//! no compiler checks.

mod bars;
mod ci;
mod dependencies;
mod plots;
mod sim;
mod tidy;
mod torture;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask ci      format, lints, rules, tests and documentation: what CI runs
cargo xtask tidy    the rules that no compiler checks
cargo xtask bars    the acceptance bars that need real processes: NAME [--full]
cargo xtask torture real processes: kill, pause, power, corrupt or full [--rounds N] [--tasks N]
cargo xtask plots   draws FILE, the JSON lines of `capataz bench growth`
cargo xtask sim     deterministic simulation: --seeds N [--seed FIRST] [--mutant NAME] [--trace]
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    if command == "torture" {
        return ending(torture::run(arguments));
    }
    if command == "sim" {
        return ending(sim::run(arguments));
    }
    let result = match command.as_str() {
        "ci" => ci::run(),
        "tidy" => tidy::run(),
        "bars" => bars::run(arguments),
        "plots" => plots::run(arguments),
        // What the tasks of the bars run.
        "witness" => bars::run_witness(arguments),
        "" | "help" | "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("there is no task {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    ending(result.map(|()| ExitCode::SUCCESS))
}

fn ending(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// The workspace's folder.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
