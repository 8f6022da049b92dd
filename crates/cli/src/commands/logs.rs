//! `logs`

use std::io::Write;

use capataz_api::rest::{LogChunk, LogStream};

use super::Context;
use crate::failure::{Exit, Failure};
use crate::output::Format;

const EXAMPLES: &str = "\
Examples:
  capataz logs 17                 the last attempt
  capataz logs 17 --attempt 1
  capataz logs 17.3 --follow      an element of an array, until it has ended";

/// Print what a task printed: its stdout to stdout, its stderr to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// The task, or the element of an array (`17.3`)
    id: String,
    /// Which attempt, from 1 [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Go on until the attempt has ended
    #[arg(long, short)]
    follow: bool,
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        if self.follow {
            let mut chunks = client.follow_logs(&self.id, self.attempt);
            while let Some(chunk) = chunks.next().await {
                print(context, &chunk?)?;
            }
            return Ok(Exit::Success);
        }
        let logs = client.logs(&self.id, self.attempt).await?;
        match context.output.format {
            Format::Json => context.output.json_line(&logs)?,
            Format::Table | Format::Quiet => {
                for chunk in &logs.chunks {
                    print(context, chunk)?;
                }
            }
        }
        Ok(Exit::Success)
    }
}

/// Each stream to its own; as JSON, both to stdout with their names.
fn print(context: &Context, chunk: &LogChunk) -> Result<(), Failure> {
    if context.output.format == Format::Json {
        return context.output.json_line(chunk);
    }
    match chunk.stream {
        LogStream::Stdout => context.output.write(&chunk.data.0),
        LogStream::Stderr => {
            // Nobody listening there is no reason to keep stdout back.
            let _ = std::io::stderr().write_all(&chunk.data.0);
            Ok(())
        }
    }
}
