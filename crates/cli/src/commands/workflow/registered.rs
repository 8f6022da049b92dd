//! `workflow put`, `list`, `show`, `delete`, `clear`: what the server keeps.

use std::path::{Path, PathBuf};

use capataz_api::rest::WorkflowsQuery;
use capataz_drawing::{dot, mermaid};
use capataz_workflow::Workflow;
use clap::ValueEnum;
use serde_json::Value;

use super::{pretty, print};
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::reports::{Done, Registered};
use crate::runs::definition::{FileError, tell, workflow};
use crate::runs::picture::of_workflow;
use crate::yaml;

/// Register a workflow: the next version of it, or the same one when nothing has changed.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "apply",
    after_help = "Example:
  capataz workflow put etl.yaml

Runs that are under way go on with the version that they began with."
)]
pub(super) struct Put {
    /// A file in YAML or JSON; `-` is stdin
    file: PathBuf,
}

/// List the workflows that are registered, by name.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls")]
pub(super) struct List {
    /// At most this many, 1 to 10,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on after the page that ended with this cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Show a workflow: how it stands, or its definition.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz workflow show etl
  capataz workflow show etl --version 2 --format yaml > etl.yaml
  capataz workflow show etl --format dot | dot -Tsvg > etl.svg")]
pub(super) struct Show {
    /// The workflow
    name: String,
    /// The definition of this version
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Its definition as yaml, json, dot (Graphviz) or mermaid [default: how it stands, or yaml
    /// with --version]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Form>,
}

/// Take a workflow out of the registered ones; its runs go on, and keep their definitions.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// The workflow
    name: String,
}

/// Let new runs begin that are held back because the last ones failed.
#[derive(Debug, clap::Args)]
pub(super) struct Clear {
    /// The workflow
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Yaml,
    Json,
    Dot,
    Mermaid,
}

impl Put {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let workflow = workflow(&self.file)?;
        let (client, name) = (context.client()?, workflow.name().to_owned());
        let before = match client.workflow(&name).await {
            Ok(detail) => detail.workflow.version,
            Err(error) if error.code() == Some(capataz_api::problem::Code::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let put = client.put_workflow(&name, &workflow.to_json()).await?;
        let known = before == Some(put.version);
        context.output.show(&Registered { put, known })?;
        Ok(Exit::Success)
    }
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let query = WorkflowsQuery {
            limit: Some(self.limit as usize),
            cursor: self.cursor,
            position: None,
        };
        context
            .output
            .show(&context.client()?.workflows(&query).await?)?;
        Ok(Exit::Success)
    }
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let definition = match (self.version, self.format) {
            (None, None) => {
                context.output.show(&client.workflow(&self.name).await?)?;
                return Ok(Exit::Success);
            }
            (None, Some(_)) => client.workflow(&self.name).await?.definition,
            (Some(version), _) => client.workflow_version(&self.name, version).await?,
        };
        match self.format.unwrap_or(Form::Yaml) {
            Form::Yaml => print(&yaml::block(&definition)),
            Form::Json => print(&pretty(&definition)),
            Form::Dot => print(&dot(&of_workflow(&checked(&self.name, &definition)?))),
            Form::Mermaid => print(&mermaid(&of_workflow(&checked(&self.name, &definition)?))),
        }
    }
}

/// A definition of a server's. A server that is newer than this program may keep what this one
/// does not know: then its flaws are told, as those of a file.
fn checked(name: &str, definition: &Value) -> Result<Workflow, FileError> {
    Workflow::parse(&definition.to_string()).map_err(|refusal| {
        let path = Path::new(name).to_owned();
        tell(&path, &refusal);
        FileError::Refused { path }
    })
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.client()?.delete_workflow(&self.name).await?;
        done(context, self.name, "deleted")
    }
}

impl Clear {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.client()?.clear_workflow(&self.name).await?;
        done(context, self.name, "cleared")
    }
}

fn done(context: &Context, name: String, done: &'static str) -> Result<Exit, Failure> {
    let kind = "workflow";
    context.output.show(&Done { kind, name, done })?;
    Ok(Exit::Success)
}
