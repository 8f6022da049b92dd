//! Documents into definitions. Every field is looked at, so that all flaws are found in one go;
//! what is flawed is left out of the result.

use capataz_api::limits::{PRIORITY_MAX, PRIORITY_MIN};

use super::fields::TaskFields;
use super::model::{Backoff, Definition, OnConflict, Parameter, ParameterType, Repeat};
use super::read_step::TASK_FIELDS;
use super::reader::Reader;
use super::step::StepDefinition;
use crate::document::Path;
use crate::document::{Content, Node};
use crate::limits::{COUNT_MAX, STEPS};
use crate::refusal::{Flaws, Reason};

const FIELDS: &[&str] = &[
    "name",
    "description",
    "parameters",
    "defaults",
    "priority",
    "tags",
    "max_runs",
    "max_steps",
    "backoff",
    "conflict_key",
    "on_conflict",
    "sticky",
    "message",
    "repeat",
    "result",
    "steps",
];
const PARAMETER_FIELDS: &[&str] = &["type", "default", "description", "enum"];
const BACKOFF_FIELDS: &[&str] = &["after", "initial", "factor", "max"];
const REPEAT_FIELDS: &[&str] = &["until", "params", "max"];
/// Reads a document.
pub(crate) fn read(document: &Node, flaws: &mut Flaws<'_>) -> Definition {
    let mut reader = Reader { flaws };
    reader.definition(document)
}

impl Reader<'_, '_> {
    fn definition(&mut self, document: &Node) -> Definition {
        let root = Path::ROOT;
        let mut read = Definition::default();
        for member in self.fields(&root, document, &["message", "result"]) {
            let (path, node) = (root.field(&member.key), &member.value);
            match member.key.as_str() {
                "name" => read.name = self.name(&path, node),
                "description" => read.description = self.text(&path, node),
                "parameters" => read.parameters = self.parameters(&path, node),
                "defaults" => read.defaults = self.defaults(&path, node),
                "priority" => read.priority = self.whole(&path, node, PRIORITY_MIN, PRIORITY_MAX),
                "tags" => read.tags = self.texts(&path, node).unwrap_or_default(),
                "max_runs" => read.max_runs = self.whole(&path, node, 1, COUNT_MAX),
                "max_steps" => read.max_steps = self.whole(&path, node, 1, COUNT_MAX),
                "backoff" => read.backoff = Some(self.backoff(&path, node)),
                "conflict_key" => read.conflict_key = self.text(&path, node),
                "on_conflict" => {
                    let names = [("wait", OnConflict::Wait), ("refuse", OnConflict::Refuse)];
                    read.on_conflict = self.choice(&path, node, &names);
                }
                "sticky" => read.sticky = self.flag(&path, node),
                "message" => read.message = Some(node.to_json()),
                "repeat" => read.repeat = self.repeat(&path, node),
                "result" => read.result = Some(node.to_json()),
                "steps" => read.steps = self.steps(&path, node),
                _ => self.unknown(&path, &member.key, FIELDS),
            }
        }
        self.require(&root, document, &["name", "steps"]);
        read
    }

    fn parameters(&mut self, path: &Path<'_>, node: &Node) -> Vec<(String, Parameter)> {
        let mut parameters = Vec::new();
        for member in self.members(path, node) {
            let path = path.field(&member.key);
            if let Some(parameter) = self.parameter(&path, &member.value) {
                parameters.push((member.key.clone(), parameter));
            }
        }
        parameters
    }

    fn parameter(&mut self, path: &Path<'_>, node: &Node) -> Option<Parameter> {
        let mut parameter = Parameter {
            kind: ParameterType::String,
            default: None,
            description: None,
            choices: Vec::new(),
        };
        for member in self.fields(path, node, &["default"]) {
            let (at, node) = (path.field(&member.key), &member.value);
            match member.key.as_str() {
                "type" => parameter.kind = self.choice(&at, node, ParameterType::NAMES),
                "default" => parameter.default = Some(node.to_json()),
                "description" => parameter.description = self.text(&at, node),
                "enum" => {
                    parameter.choices = self.items(&at, node).iter().map(Node::to_json).collect();
                    if parameter.choices.is_empty() {
                        self.flaws.add(&at, Reason::Empty);
                    }
                }
                _ => self.unknown(&at, &member.key, PARAMETER_FIELDS),
            }
        }
        self.require(path, node, &["type"]).then_some(parameter)
    }

    fn backoff(&mut self, path: &Path<'_>, node: &Node) -> Backoff {
        let mut backoff = Backoff::default();
        for member in self.fields(path, node, &[]) {
            let (at, node) = (path.field(&member.key), &member.value);
            match member.key.as_str() {
                "after" => backoff.after = self.whole(&at, node, 1, COUNT_MAX),
                "initial" => backoff.initial = Some(node.to_json()),
                "factor" => match &node.content {
                    Content::Number(number) => backoff.factor = number.as_f64(),
                    _ => self.wrong(&at, node, "a number"),
                },
                "max" => backoff.max = Some(node.to_json()),
                _ => self.unknown(&at, &member.key, BACKOFF_FIELDS),
            }
        }
        backoff
    }

    fn repeat(&mut self, path: &Path<'_>, node: &Node) -> Option<Repeat> {
        let mut repeat = Repeat {
            until: String::new(),
            params: serde_json::Map::new(),
            max: None,
        };
        for member in self.fields(path, node, &[]) {
            let (at, node) = (path.field(&member.key), &member.value);
            match member.key.as_str() {
                "until" => repeat.until = self.expression(&at, node).unwrap_or_default(),
                "params" => {
                    let members = self.members(&at, node).iter();
                    let values = members.map(|m| (m.key.clone(), m.value.to_json()));
                    repeat.params = values.collect();
                }
                "max" => repeat.max = self.whole(&at, node, 1, COUNT_MAX),
                _ => self.unknown(&at, &member.key, REPEAT_FIELDS),
            }
        }
        self.require(path, node, &["until"]).then_some(repeat)
    }

    fn steps(&mut self, path: &Path<'_>, node: &Node) -> Vec<StepDefinition> {
        let items = self.items(path, node);
        if items.is_empty() && matches!(node.content, Content::List(_)) {
            self.flaws.add(path, Reason::Empty);
        }
        if items.len() > STEPS {
            let (limit, got, unit) = (STEPS, items.len(), "steps");
            let reason = Reason::TooLarge { limit, got, unit };
            self.flaws.add(path, reason);
            return Vec::new();
        }
        let steps = items.iter().enumerate();
        steps
            .map(|(index, node)| self.step(&path.index(index), node))
            .collect()
    }

    fn defaults(&mut self, path: &Path<'_>, node: &Node) -> TaskFields {
        let mut fields = TaskFields::default();
        for member in self.fields(path, node, &[]) {
            let (at, name) = (path.field(&member.key), member.key.as_str());
            if TASK_FIELDS.contains(&name) && !matches!(name, "argv" | "payload") {
                self.task_field(&mut fields, name, &at, &member.value);
            } else {
                self.unknown(&at, name, TASK_FIELDS);
            }
        }
        fields
    }
}

impl ParameterType {
    /// The types by their names.
    pub(crate) const NAMES: &[(&'static str, ParameterType)] = &[
        ("string", ParameterType::String),
        ("integer", ParameterType::Integer),
        ("number", ParameterType::Number),
        ("boolean", ParameterType::Boolean),
        ("list", ParameterType::List),
        ("object", ParameterType::Object),
    ];
}

impl Default for ParameterType {
    /// What is taken while a flawed type is reported.
    fn default() -> ParameterType {
        ParameterType::String
    }
}
