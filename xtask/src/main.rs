//! Development tasks: `cargo xtask ci` runs what CI runs, `cargo xtask tidy` checks the rules that
//! no compiler checks.

mod bars;
mod ci;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask ci      format, lints, rules, tests and documentation: what CI runs
cargo xtask tidy    the rules that no compiler checks
cargo xtask bars    the acceptance bars that need real processes: NAME [--full]
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let result = match command.as_str() {
        "ci" => ci::run(),
        "tidy" => tidy::run(),
        "bars" => bars::run(arguments),
        // What the tasks of the bars run.
        "witness" => bars::witness(arguments),
        "" | "help" | "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("there is no task {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
