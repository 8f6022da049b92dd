//! The file as it is written, in any of its versions, brought to one form.
//!
//! Fields that mean nothing here are not looked at: the format allows any.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ImportError;

/// The versions that are read. 1.6 only adds fields to 1.5.
pub(super) const VERSIONS: [&str; 3] = ["1.4", "1.5", "1.6"];

/// An instance in the form that the rest of the import works on.
pub(super) struct Instance {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tasks: Vec<Task>,
    /// Up to version 1.4 tasks call each other by name, and one side alone may say so.
    pub(super) is_loose: bool,
}

pub(super) struct Task {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) program: Option<String>,
    /// Recorded; as the file has it.
    pub(super) runtime_s: f64,
    pub(super) parents: Vec<String>,
    pub(super) children: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) writes: Vec<String>,
}

pub(super) fn read(text: &str) -> Result<Instance, ImportError> {
    let document: Value = serde_json::from_str(text).map_err(|error| ImportError::NotJson {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })?;
    let version = &document["schemaVersion"];
    match version.as_str() {
        Some("1.4") => loose(typed(&document)?),
        Some("1.5" | "1.6") => strict(typed(&document)?),
        _ => Err(ImportError::Version {
            got: match version {
                Value::Null => "nothing".to_owned(),
                other => other.to_string(),
            },
        }),
    }
}

fn typed<T: DeserializeOwned>(document: &Value) -> Result<T, ImportError> {
    serde_path_to_error::deserialize(document).map_err(|error| ImportError::Shape {
        path: error.path().to_string(),
        reason: error.inner().to_string(),
    })
}

#[derive(Deserialize)]
struct Document<Workflow> {
    name: Option<String>,
    description: Option<String>,
    workflow: Workflow,
}

#[derive(Deserialize)]
struct Split {
    specification: Specification,
    execution: Option<Execution>,
}

#[derive(Deserialize)]
struct Specification {
    tasks: Vec<SpecifiedTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecifiedTask {
    id: String,
    name: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    output_files: Vec<String>,
}

#[derive(Deserialize)]
struct Execution {
    tasks: Vec<ExecutedTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutedTask {
    id: String,
    runtime_in_seconds: Option<f64>,
    command: Option<Command>,
}

#[derive(Deserialize)]
struct Command {
    program: Option<String>,
}

/// Version 1.5 and later: what is to be done and what was done are apart. What was executed and is
/// not specified has no place in the graph and is left out.
fn strict(document: Document<Split>) -> Result<Instance, ImportError> {
    let execution = document
        .workflow
        .execution
        .ok_or(ImportError::NoExecution)?;
    let mut executed = BTreeMap::new();
    for task in execution.tasks {
        if let Some(twice) = executed.insert(task.id.clone(), task) {
            return Err(ImportError::DuplicateExecution { id: twice.id });
        }
    }
    let specified = document.workflow.specification.tasks.into_iter();
    let tasks = specified.map(|task| {
        let execution = executed.get_mut(&task.id);
        let runtime_s = execution.as_ref().and_then(|done| done.runtime_in_seconds);
        let Some(runtime_s) = runtime_s else {
            return Err(ImportError::NoRuntime { id: task.id });
        };
        let command = execution.and_then(|done| done.command.take());
        Ok(Task {
            name: task.name.unwrap_or_else(|| task.id.clone()),
            id: task.id,
            program: command.and_then(|command| command.program),
            runtime_s,
            parents: task.parents,
            children: task.children,
            reads: task.input_files,
            writes: task.output_files,
        })
    });
    Ok(Instance {
        name: document.name,
        description: document.description,
        tasks: tasks.collect::<Result<_, _>>()?,
        is_loose: false,
    })
}

#[derive(Deserialize)]
struct Joint {
    tasks: Vec<JointTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JointTask {
    id: Option<String>,
    name: String,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    files: Vec<File>,
    runtime_in_seconds: Option<f64>,
    command: Option<Command>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    path: Option<String>,
    link: Link,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Link {
    Input,
    Output,
}

/// Version 1.4: one list of tasks that holds everything.
fn loose(document: Document<Joint>) -> Result<Instance, ImportError> {
    let tasks = document.workflow.tasks.into_iter().map(|task| {
        let id = task.id.unwrap_or_else(|| task.name.clone());
        let Some(runtime_s) = task.runtime_in_seconds else {
            return Err(ImportError::NoRuntime { id });
        };
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for file in task.files {
            let name = format!("{}{}", file.path.unwrap_or_default(), file.name);
            match file.link {
                Link::Input => reads.push(name),
                Link::Output => writes.push(name),
            }
        }
        Ok(Task {
            id,
            name: task.name,
            program: task.command.and_then(|command| command.program),
            runtime_s,
            parents: task.parents,
            children: task.children,
            reads,
            writes,
        })
    });
    Ok(Instance {
        name: document.name,
        description: document.description,
        tasks: tasks.collect::<Result<_, _>>()?,
        is_loose: true,
    })
}
