//! `run show`

use capataz_drawing::{Canvas, dag, dot, gantt, mermaid};
use clap::ValueEnum;

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::runs::moment::{Moment, now};
use crate::runs::picture::{of_run, whole};
use crate::runs::terminal::{all_lines, canvas};

/// Show a run with its steps.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run show r17
  capataz run show r17 --format gantt
  capataz run show r17 --format dot | dot -Tsvg > r17.svg
  capataz run show r17 --at 2026-01-01T00:00:00Z      as it stood then")]
pub(super) struct Show {
    /// The run
    id: String,
    /// As it stood then: a time (RFC 3339), or how long ago
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// How: table, json, dag, gantt, dot (Graphviz) or mermaid [default: as --output says]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Form>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Table,
    Json,
    Dag,
    Gantt,
    Dot,
    Mermaid,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let at = self.at.map(|at| at.0);
        let detail = whole(&context.client()?, &self.id, at).await?;
        let picture = || of_run(&detail, at.unwrap_or_else(now));
        let output = context.output;
        let as_report = |format| Output::new(format).show(&detail);
        let canvas = Canvas {
            height: all_lines(detail.steps.len()),
            ..canvas(detail.steps.len())
        };
        match self.format {
            None => output.show(&detail),
            Some(Form::Table) => as_report(Format::Table),
            Some(Form::Json) => as_report(Format::Json),
            Some(Form::Dag) => output.write(dag(&picture(), &canvas).as_bytes()),
            Some(Form::Gantt) => output.write(gantt(&picture(), &canvas).as_bytes()),
            Some(Form::Dot) => output.write(dot(&picture()).as_bytes()),
            Some(Form::Mermaid) => output.write(mermaid(&picture()).as_bytes()),
        }?;
        Ok(Exit::Success)
    }
}
