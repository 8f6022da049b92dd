//! `workflow`: what needs no server.

use std::path::{Path, PathBuf};

use capataz_workflow::{Refusal, Workflow as Checked};
use clap::{Subcommand, ValueEnum};

use super::Context;
use crate::failure::{Exit, Failure, Told, stdout_failed};
use crate::import::wfformat::{OneSided, Options, Replay, bound, wfformat};
use crate::talk::say;

/// Check, import and describe workflow files.
#[derive(Debug, clap::Args)]
pub(crate) struct Workflow {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(Validate),
    /// Print the JSON Schema of workflow files, for editors and other programs.
    Schema,
    Import(Import),
}

/// Check workflow files; say everything that is wrong with them, with line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  capataz workflow validate etl.yaml

Exit code 1 when a file is refused. Nothing is sent to a server.")]
struct Validate {
    /// Files in YAML or JSON; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Turn what another system wrote into a workflow file, and print it.
#[derive(Debug, clap::Args)]
struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Wfformat(Wfformat),
}

/// From a WfCommons instance (WfFormat 1.4 to 1.6): its steps take as long as the recorded ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  capataz workflow import wfformat montage.json --time-scale 0.01 --group wf > montage.wf.json
  capataz run start --file montage.wf.json --wait")]
struct Wfformat {
    /// The instance; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What recorded runtimes are multiplied with
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = scale)]
    time_scale: f64,
    /// `sleep` waits as long, `cpu` computes as long
    #[arg(
        long,
        value_name = "sleep|cpu",
        default_value = "sleep",
        hide_possible_values = true
    )]
    replay: How,
    /// The group of all steps
    #[arg(long, value_name = "NAME", default_value = "default")]
    group: String,
    /// How many steps can run at once, for the least time that the run takes, which is told
    #[arg(long, value_name = "N", default_value_t = 8)]
    slots: usize,
    /// Refuse a file in which only one of two tasks says that one comes after the other
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    Sleep,
    Cpu,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale >= 0.0 => Ok(scale),
        _ => Err("expected a number from 0 on".to_owned()),
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
struct Unreadable {
    path: PathBuf,
    cause: std::io::Error,
}

impl Told for Unreadable {}

/// Files that are refused; why was said file by file.
#[derive(Debug, thiserror::Error)]
#[error("{refused} of {given} files are refused")]
struct Refused {
    refused: usize,
    given: usize,
}

impl Told for Refused {
    fn hint(&self) -> Option<String> {
        Some("docs/reference/workflow-file.md describes every field".to_owned())
    }
}

impl Workflow {
    pub(crate) async fn run(self, _: &Context) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Validate(validate) => validate.run(),
            Verb::Schema => print(&pretty(&capataz_workflow::schema())),
            Verb::Import(Import {
                from: From::Wfformat(import),
            }) => import.run(),
        }
    }
}

impl Validate {
    fn run(&self) -> Result<Exit, Failure> {
        let mut refused = 0;
        for file in &self.files {
            match Checked::parse(&read(file)?) {
                Ok(workflow) => {
                    let (name, steps) = (workflow.name(), workflow.steps().len());
                    print(&format!("{}: {name}, {steps} steps\n", file.display()))?;
                }
                Err(refusal) => {
                    refused += 1;
                    tell(file, &refusal);
                }
            }
        }
        match refused {
            0 => Ok(Exit::Success),
            refused => Err(Refused {
                refused,
                given: self.files.len(),
            }
            .into()),
        }
    }
}

/// One line a flaw, as compilers and editors have it: file, line, column, what.
fn tell(file: &Path, refusal: &Refusal) {
    for flaw in &refusal.flaws {
        let (line, column) = (flaw.place.line, flaw.place.column);
        let path = match flaw.path.as_str() {
            "" => String::new(),
            path => format!("{path} "),
        };
        let hint = flaw.hint.as_ref().map(|hint| format!("; {hint}"));
        let hint = hint.unwrap_or_default();
        let file = file.display();
        say(format_args!(
            "{file}:{line}:{column}: {path}{}{hint}",
            flaw.reason
        ));
    }
    if refusal.more > 0 {
        say(format_args!(
            "{}: and {} more",
            file.display(),
            refusal.more
        ));
    }
}

impl Wfformat {
    fn run(&self) -> Result<Exit, Failure> {
        let options = Options {
            time_scale: self.time_scale,
            replay: match self.replay {
                How::Sleep => Replay::Sleep,
                How::Cpu => Replay::Cpu,
            },
            group: self.group.clone(),
            one_sided: match self.strict {
                true => OneSided::Refuse,
                false => OneSided::Take,
            },
        };
        let definition = wfformat(&read(&self.file)?, &options)?;
        if let Some(bound) = bound(&definition) {
            let (slots, least) = (self.slots, bound.makespan_s(self.slots));
            say(format_args!(
                "{:.2} s of work, {:.2} s along the longest path: at least {least:.2} s with {slots} slots",
                bound.work_s, bound.critical_path_s
            ));
        }
        print(&pretty(&definition))
    }
}

fn read(file: &Path) -> Result<String, Unreadable> {
    let text = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    text.map_err(|cause| Unreadable {
        path: file.to_owned(),
        cause,
    })
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn print(text: &str) -> Result<Exit, Failure> {
    use std::io::Write;
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(stdout_failed)?;
    Ok(Exit::Success)
}
