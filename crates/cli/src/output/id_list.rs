//! Ids that are printed as they come: `{"ids": [...]}` as JSON, else one a line.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::{Format, Output};
use crate::failure::Failure;

/// A list of ids on its way to stdout. Whatever happens in between, [`IdList::end`] leaves whole
/// JSON behind.
pub(crate) struct IdList {
    output: Output,
    any: bool,
}

impl IdList {
    /// Begins the list.
    pub(crate) fn begin(output: Output) -> Result<IdList, Failure> {
        if output.format == Format::Json {
            output.write(b"{\"ids\": [")?;
        }
        Ok(IdList { output, any: false })
    }

    /// Prints more of them.
    pub(crate) fn add<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        for id in ids {
            // Writing to a text cannot fail.
            let _ = match self.output.format {
                Format::Json if self.any => write!(text, ", {}", Value::from(id)),
                Format::Json => write!(text, "{}", Value::from(id)),
                Format::Table | Format::Quiet => writeln!(text, "{id}"),
            };
            self.any = true;
        }
        self.output.write(text.as_bytes())
    }

    /// Ends the list; as JSON with one more member, when there is one to add.
    pub(crate) fn end(self, member: Option<(&str, &impl Serialize)>) -> Result<(), Failure> {
        if self.output.format != Format::Json {
            return Ok(());
        }
        let more = member.map(|(name, value)| {
            let value = serde_json::to_string(value);
            format!(
                ", {name:?}: {}",
                value.expect("a report has string keys only")
            )
        });
        self.output
            .write(format!("]{}}}\n", more.unwrap_or_default()).as_bytes())
    }
}
