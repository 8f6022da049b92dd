//! `cargo xtask sim`: runs seeds and prints one line of figures.

use std::process::ExitCode;

use capataz_sim::{Figures, Mutant, run};

const USAGE: &str = "usage: sim [--seeds N] [--seed FIRST] [--mutant NAME] [--trace]";
/// The exit code of a broken promise, a caught mutant included.
const FAILED: u8 = 1;
/// The exit code of arguments that mean nothing.
const MISUSED: u8 = 2;

struct Arguments {
    seeds: u64,
    first: u64,
    mutant: Option<Mutant>,
    trace: bool,
}

fn parse() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seeds: 1,
        first: 1,
        mutant: None,
        trace: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| {
            let parsed = text.parse::<u64>();
            parsed.map_err(|_| format!("{text:?} is no number"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = number(value()?)?,
            "--seed" => arguments.first = number(value()?)?,
            "--trace" => arguments.trace = true,
            "--mutant" => {
                let name = value()?;
                let mutant = Mutant::named(&name);
                arguments.mutant = Some(mutant.ok_or_else(|| {
                    let names: Vec<&str> = Mutant::ALL.iter().map(|(name, _)| *name).collect();
                    format!(
                        "there is no mutant {name:?}; there are {}",
                        names.join(", ")
                    )
                })?);
            }
            other => return Err(format!("{other:?} is unknown")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(MISUSED);
        }
    };
    let mut figures = Figures::default();
    let mut code = ExitCode::SUCCESS;
    for seed in arguments.first..arguments.first.saturating_add(arguments.seeds) {
        let outcome = run(seed, arguments.mutant, arguments.trace);
        figures.add(&outcome.figures);
        if let Some(report) = outcome.explain() {
            eprintln!("{report}");
            code = ExitCode::from(FAILED);
            break;
        }
        if arguments.trace {
            outcome.trace.iter().for_each(|line| eprintln!("{line}"));
        }
    }
    let missing = figures.missing();
    if code == ExitCode::SUCCESS && !missing.is_empty() {
        eprintln!("never occurred: {}", missing.join(", "));
        code = ExitCode::from(FAILED);
    }
    println!("{figures}");
    code
}
