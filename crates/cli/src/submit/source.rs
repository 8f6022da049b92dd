//! Where tasks come from: one command, each line of a file, or a file of task specs.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use capataz_api::limits::{ARGUMENT_BYTES, PAYLOAD_BYTES_MAX};
use capataz_api::proto::TaskSpec;
use capataz_api::spec::{Flaw, SpecError, parse_task, validate_within};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::flags::{DEFAULT_GROUP, TaskFlags};
use super::lines::{LineError, Lines};
use super::pattern::{TooLong, fill};
use crate::failure::Told;

/// Specs, one after the other.
type Specs = Box<dyn Iterator<Item = Result<TaskSpec, SubmitError>> + Send>;

/// Why nothing (more) is submitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{input}: {cause}")]
    Line { input: Input, cause: LineError },
    #[error("{cause}")]
    Flags { cause: SpecError },
    #[error("{input}, line {line}: {cause}")]
    Spec {
        input: Input,
        line: u64,
        cause: SpecError,
    },
    #[error("{} takes {got} bytes, and a payload at most {PAYLOAD_BYTES_MAX}", path.display())]
    PayloadTooLarge { path: PathBuf, got: u64 },
}

impl Told for SubmitError {
    fn hint(&self) -> Option<String> {
        match self {
            SubmitError::Flags { cause } | SubmitError::Spec { cause, .. } => cause.flaw.hint(),
            SubmitError::Line { .. } => Some("nothing after that line is submitted".to_owned()),
            SubmitError::PayloadTooLarge { .. } => {
                Some("pass its path or URL instead, and let the task read it".to_owned())
            }
            SubmitError::Unreadable { .. } => None,
        }
    }
}

/// A file, or stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Written `-`.
    Stdin,
    /// Anything else.
    File(PathBuf),
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Input {
        if path == Path::new("-") {
            Input::Stdin
        } else {
            Input::File(path)
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Input::Stdin => f.write_str("stdin"),
            Input::File(path) => path.display().fmt(f),
        }
    }
}

impl Input {
    /// Whether it can be read a second time.
    fn is_regular(&self) -> bool {
        match self {
            Input::Stdin => false,
            Input::File(path) => path.is_file(),
        }
    }

    fn lines(&self) -> Result<Lines<Box<dyn BufRead + Send>>, SubmitError> {
        let reader: Box<dyn BufRead + Send> = match self {
            Input::Stdin => Box::new(BufReader::new(io::stdin())),
            Input::File(path) => {
                let file = File::open(path);
                let unreadable = |cause| SubmitError::Unreadable {
                    path: path.clone(),
                    cause,
                };
                Box::new(BufReader::new(file.map_err(unreadable)?))
            }
        };
        Ok(Lines::new(reader))
    }
}

/// Where tasks come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The flags and the command alone.
    One(TaskSpec),
    /// The same for each line, which takes the place of `{}`.
    EachLine { template: TaskSpec, input: Input },
    /// A spec a line; `defaults` stands in for the fields a line leaves out, `tags` come on top.
    JsonLines {
        defaults: Map<String, Value>,
        tags: Vec<String>,
        input: Input,
    },
}

impl Source {
    /// One task of `flags` that runs `argv`.
    pub(crate) fn one(flags: &TaskFlags, argv: Vec<String>) -> Result<Source, SubmitError> {
        template(flags, argv).map(Source::One)
    }

    /// The same for each line of `input`.
    pub(crate) fn each_line(
        flags: &TaskFlags,
        argv: Vec<String>,
        input: Input,
    ) -> Result<Source, SubmitError> {
        Ok(Source::EachLine {
            template: template(flags, argv)?,
            input,
        })
    }

    /// Specs of `input`.
    pub(crate) fn json_lines(flags: &TaskFlags, input: Input) -> Source {
        let mut defaults = flags.spec();
        defaults.remove("tags");
        Source::JsonLines {
            defaults,
            tags: flags.tags.clone(),
            input,
        }
    }

    /// Reads everything once without keeping it, when it can be read twice: the number of tasks, or
    /// what is wrong with the first bad one. `None` when it cannot.
    pub(crate) fn check(&self) -> Result<Option<u64>, SubmitError> {
        match self {
            Source::One(_) => Ok(Some(1)),
            Source::EachLine { input, .. } | Source::JsonLines { input, .. } => {
                if !input.is_regular() {
                    return Ok(None);
                }
                let mut count = 0;
                for spec in self.specs()? {
                    spec?;
                    count += 1;
                }
                Ok(Some(count))
            }
        }
    }

    /// The specs, checked one by one as they are read.
    pub(crate) fn specs(&self) -> Result<Specs, SubmitError> {
        Ok(match self {
            Source::One(spec) => Box::new(std::iter::once(Ok(spec.clone()))),
            Source::EachLine { template, input } => {
                let (template, input) = (template.clone(), input.clone());
                Box::new(input.lines()?.map(move |line| match line {
                    Ok((line, text)) => {
                        filled(&template, &text).map_err(|cause| SubmitError::Spec {
                            input: input.clone(),
                            line,
                            cause,
                        })
                    }
                    Err(cause) => Err(SubmitError::Line {
                        input: input.clone(),
                        cause,
                    }),
                }))
            }
            Source::JsonLines {
                defaults,
                tags,
                input,
            } => {
                let (defaults, tags, input) = (defaults.clone(), tags.clone(), input.clone());
                let blank = |line: &Result<(u64, String), LineError>| {
                    line.as_ref().is_ok_and(|(_, text)| text.trim().is_empty())
                };
                let lines = input.lines()?.filter(move |line| !blank(line));
                Box::new(lines.map(move |line| match line {
                    Ok((line, text)) => {
                        completed(&defaults, &tags, &text).map_err(|cause| SubmitError::Spec {
                            input: input.clone(),
                            line,
                            cause,
                        })
                    }
                    Err(cause) => Err(SubmitError::Line {
                        input: input.clone(),
                        cause,
                    }),
                }))
            }
        })
    }
}

/// The spec of the flags.
fn template(flags: &TaskFlags, argv: Vec<String>) -> Result<TaskSpec, SubmitError> {
    let mut object = flags.spec();
    object
        .entry("group")
        .or_insert_with(|| DEFAULT_GROUP.into());
    if !argv.is_empty() {
        object.insert("argv".to_owned(), argv.into());
    }
    let json = Value::Object(object).to_string();
    let read = parse_task(json.as_bytes(), PAYLOAD_BYTES_MAX);
    let mut spec = read.map_err(|cause| SubmitError::Flags { cause })?;
    if let Some(path) = &flags.payload_file {
        spec.payload = Some(read_payload(path)?.into());
    }
    Ok(spec)
}

fn read_payload(path: &Path) -> Result<Vec<u8>, SubmitError> {
    let unreadable = |cause| SubmitError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let got = std::fs::metadata(path).map_err(unreadable)?.len();
    if got > PAYLOAD_BYTES_MAX as u64 {
        return Err(SubmitError::PayloadTooLarge {
            path: path.to_owned(),
            got,
        });
    }
    std::fs::read(path).map_err(unreadable)
}

fn filled(template: &TaskSpec, line: &str) -> Result<TaskSpec, SpecError> {
    let mut spec = template.clone();
    spec.argv = fill(&template.argv, line).map_err(|TooLong { got }| SpecError {
        index: None,
        field: "argv".to_owned(),
        flaw: Flaw::TooLarge {
            limit: ARGUMENT_BYTES,
            got,
            unit: "bytes",
        },
    })?;
    validate_within(&spec, PAYLOAD_BYTES_MAX)?;
    Ok(spec)
}

fn completed(
    defaults: &Map<String, Value>,
    tags: &[String],
    line: &str,
) -> Result<TaskSpec, SpecError> {
    let whole = complete(defaults, line);
    let text = whole.as_deref().unwrap_or(line);
    let mut spec = parse_task(text.trim().as_bytes(), PAYLOAD_BYTES_MAX)?;
    if !tags.is_empty() {
        let new = tags.iter().filter(|tag| !spec.tags.contains(tag));
        let new: Vec<String> = new.cloned().collect();
        spec.tags.extend(new);
        validate_within(&spec, PAYLOAD_BYTES_MAX)?;
    }
    Ok(spec)
}

/// The line's object with the defaults it lacks put before its own fields, whose text stays as it
/// is, so that the reader still finds everything that is wrong with it. `None` when there is
/// nothing to add, or the line is no object.
fn complete(defaults: &Map<String, Value>, line: &str) -> Option<String> {
    if defaults.is_empty() {
        return None;
    }
    let there: std::collections::HashMap<String, IgnoredAny> = serde_json::from_str(line).ok()?;
    let missing = defaults.iter().filter(|(key, _)| !there.contains_key(*key));
    let missing: Map<String, Value> = missing.map(|(k, v)| (k.clone(), v.clone())).collect();
    if missing.is_empty() {
        return None;
    }
    let mut whole = Value::Object(missing).to_string();
    whole.pop();
    if !there.is_empty() {
        whole.push(',');
    }
    whole.push_str(line.trim_start().strip_prefix('{')?);
    Some(whole)
}

#[cfg(test)]
mod tests;
