//! `explain`

use clap::ValueEnum;

use super::Context;
use crate::failure::{Exit, Failure, Told};

/// Say why something does not go on: everything that stands in its way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz explain 17                  a task
  capataz explain r17                 a run
  capataz explain pod gpu-0")]
pub(crate) struct Explain {
    /// `task`, `run`, `group`, `pod` or `worker`; not needed for tasks and runs
    #[arg(value_name = "KIND")]
    first: String,
    /// The id or name
    #[arg(value_name = "ID")]
    second: Option<String>,
}

/// How the ids of runs begin.
const RUN: char = 'r';

/// What can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Task,
    Run,
    Group,
    Pod,
    Worker,
}

impl Explain {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (kind, id) = self.subject()?;
        context
            .output
            .show(&context.client()?.explain(kind.name(), &id).await?)?;
        Ok(Exit::Success)
    }

    /// One word is a run when it begins as the ids of runs do, else a task; two are a kind and a
    /// name.
    fn subject(self) -> Result<(Kind, String), NoKind> {
        let Some(id) = self.second else {
            let kind = match self.first.starts_with(RUN) {
                true => Kind::Run,
                false => Kind::Task,
            };
            return Ok((kind, self.first));
        };
        match Kind::from_str(&self.first, false) {
            Ok(kind) => Ok((kind, id)),
            Err(_) => Err(NoKind { got: self.first }),
        }
    }
}

/// A first word of two that names no kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is nothing that can be explained")]
struct NoKind {
    got: String,
}

impl Told for NoKind {
    fn hint(&self) -> Option<String> {
        Some("write `explain ID`, or `explain task|run|group|pod|worker NAME`".to_owned())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::Run => "run",
            Kind::Group => "group",
            Kind::Pod => "pod",
            Kind::Worker => "worker",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(first: &str, second: Option<&str>) -> Result<(Kind, String), NoKind> {
        Explain {
            first: first.to_owned(),
            second: second.map(str::to_owned),
        }
        .subject()
    }

    #[test]
    fn one_word_is_a_task_or_run_and_two_are_a_kind_and_a_name() {
        assert_eq!(subject("17", None), Ok((Kind::Task, "17".to_owned())));
        assert_eq!(subject("r17", None), Ok((Kind::Run, "r17".to_owned())));
        assert_eq!(subject("pod", Some("p")), Ok((Kind::Pod, "p".to_owned())));
        assert_eq!(
            subject("pods", Some("p")),
            Err(NoKind {
                got: "pods".to_owned()
            })
        );
    }
}
