//! `workflow import`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{pretty, print};
use crate::failure::{Exit, Failure};
use crate::import::wfformat::{OneSided, Options, Replay, bound, wfformat};
use crate::runs::definition::read;
use crate::talk::say;

/// Turn what another system wrote into a workflow file, and print it.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
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

impl Import {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let From::Wfformat(import) = self.from;
        import.run()
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
