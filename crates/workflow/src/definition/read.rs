//! Documents into definitions. Every field is looked at, so that all flaws are found in one go;
//! what is flawed is left out of the result.

use std::collections::BTreeMap;

use capataz_api::limits::{ATTEMPTS_MAX, PRIORITY_MAX, PRIORITY_MIN};

use super::fields::TaskFields;
use super::model::{Backoff, Definition, OnConflict, Parameter, ParameterType, Repeat};
use super::step::{After, ForEach, Join, On, StepDefinition};
use crate::document::{Content, Member, Node};
use crate::limits::{COUNT_MAX, STEPS};
use crate::nearest;
use crate::refusal::{Flaws, Path, Reason};

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
const EDGE_FIELDS: &[&str] = &["step", "on"];
const STEP_FIELDS: &[&str] = &[
    "id",
    "after",
    "join",
    "when",
    "for_each",
    "parallelism",
    "allow_failure",
    "noop",
    "alters_message",
];
/// What a step takes beside [`STEP_FIELDS`], and `defaults` but for what is run.
pub(crate) const TASK_FIELDS: &[&str] = &[
    "group",
    "argv",
    "payload",
    "env",
    "env_secret",
    "tags",
    "meta",
    "priority",
    "max_attempts",
    "backoff",
    "max_lost",
    "timeout",
    "delay",
    "expires_in",
    "affinity",
    "output",
];

/// Reads a document.
pub(crate) fn read(document: &Node, flaws: &mut Flaws) -> Definition {
    let mut reader = Reader { flaws };
    reader.definition(document)
}

struct Reader<'f> {
    flaws: &'f mut Flaws,
}

impl Reader<'_> {
    fn definition(&mut self, document: &Node) -> Definition {
        let root = Path::root();
        let mut read = Definition::default();
        for member in self.members(&root, document) {
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

    fn parameters(&mut self, path: &Path, node: &Node) -> Vec<(String, Parameter)> {
        let mut parameters = Vec::new();
        for member in self.members(path, node) {
            let path = path.field(&member.key);
            if let Some(parameter) = self.parameter(&path, &member.value) {
                parameters.push((member.key.clone(), parameter));
            }
        }
        parameters
    }

    fn parameter(&mut self, path: &Path, node: &Node) -> Option<Parameter> {
        let mut parameter = Parameter {
            kind: ParameterType::String,
            default: None,
            description: None,
            choices: Vec::new(),
        };
        for member in self.members(path, node) {
            let (at, node) = (path.field(&member.key), &member.value);
            match member.key.as_str() {
                "type" => parameter.kind = self.choice(&at, node, ParameterType::NAMES),
                "default" => parameter.default = Some(node.to_json()),
                "description" => parameter.description = self.text(&at, node),
                "enum" => {
                    parameter.choices = self.items(&at, node).iter().map(Node::to_json).collect();
                    if parameter.choices.is_empty() {
                        self.flaws.add(at, Reason::Empty);
                    }
                }
                _ => self.unknown(&at, &member.key, PARAMETER_FIELDS),
            }
        }
        self.require(path, node, &["type"]).then_some(parameter)
    }

    fn backoff(&mut self, path: &Path, node: &Node) -> Backoff {
        let mut backoff = Backoff::default();
        for member in self.members(path, node) {
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

    fn repeat(&mut self, path: &Path, node: &Node) -> Option<Repeat> {
        let mut repeat = Repeat {
            until: String::new(),
            params: serde_json::Map::new(),
            max: None,
        };
        for member in self.members(path, node) {
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

    fn steps(&mut self, path: &Path, node: &Node) -> Vec<StepDefinition> {
        let items = self.items(path, node);
        if items.is_empty() && matches!(node.content, Content::List(_)) {
            self.flaws.add(path.clone(), Reason::Empty);
        }
        if items.len() > STEPS {
            let (limit, got, unit) = (STEPS, items.len(), "steps");
            let reason = Reason::TooLarge { limit, got, unit };
            self.flaws.add(path.clone(), reason);
            return Vec::new();
        }
        let steps = items.iter().enumerate();
        steps
            .map(|(index, node)| self.step(&path.index(index), node))
            .collect()
    }

    fn step(&mut self, path: &Path, node: &Node) -> StepDefinition {
        let mut step = StepDefinition::default();
        for member in self.members(path, node) {
            let name = member.key.as_str();
            let (at, node) = (path.field(name), &member.value);
            match name {
                "id" => step.id = self.name(&at, node),
                "after" => step.after = self.after(&at, node),
                "join" => {
                    let names = [("all", Join::All), ("any", Join::Any)];
                    step.join = self.choice(&at, node, &names);
                }
                "when" => step.when = self.expression(&at, node),
                "for_each" => step.for_each = self.for_each(&at, node),
                "parallelism" => step.parallelism = self.whole(&at, node, 1, COUNT_MAX),
                "allow_failure" => step.allow_failure = self.flag(&at, node),
                "noop" => step.noop = self.flag(&at, node),
                "alters_message" => step.alters_message = self.flag(&at, node),
                _ if TASK_FIELDS.contains(&name) => {
                    self.task_field(&mut step.task, name, &at, node);
                }
                _ => {
                    let known = STEP_FIELDS.iter().chain(TASK_FIELDS).copied();
                    let hint = nearest::hint(name, known);
                    self.flaws.hinted(at, Reason::UnknownField, hint);
                }
            }
        }
        self.require(path, node, &["id"]);
        step
    }

    fn defaults(&mut self, path: &Path, node: &Node) -> TaskFields {
        let mut fields = TaskFields::default();
        for member in self.members(path, node) {
            let (at, name) = (path.field(&member.key), member.key.as_str());
            if TASK_FIELDS.contains(&name) && !matches!(name, "argv" | "payload") {
                self.task_field(&mut fields, name, &at, &member.value);
            } else {
                self.unknown(&at, name, TASK_FIELDS);
            }
        }
        fields
    }

    fn task_field(&mut self, fields: &mut TaskFields, name: &str, path: &Path, node: &Node) {
        // As in a task spec, `null` stands for a field that is absent, but for the payload.
        if node.content == Content::Null && name != "payload" {
            return;
        }
        match name {
            "group" => fields.group = self.text(path, node),
            "argv" => {
                fields.argv = self.texts(path, node).unwrap_or_default();
                if matches!(&node.content, Content::List(items) if items.is_empty()) {
                    self.flaws.add(path.clone(), Reason::Empty);
                }
            }
            "payload" => fields.payload = Some(node.to_json()),
            "env" => fields.env = self.variables(path, node),
            "env_secret" => fields.env_secret = Some(node.to_json()),
            "tags" => fields.tags = self.texts(path, node),
            "meta" => fields.meta = Some(node.to_json()),
            "priority" => fields.priority = self.whole(path, node, PRIORITY_MIN, PRIORITY_MAX),
            "max_attempts" => fields.max_attempts = self.whole(path, node, 1, ATTEMPTS_MAX),
            "backoff" => fields.backoff = Some(node.to_json()),
            "max_lost" => fields.max_lost = self.whole(path, node, 0, ATTEMPTS_MAX),
            "timeout" => fields.timeout = Some(node.to_json()),
            "delay" => fields.delay = Some(node.to_json()),
            "expires_in" => fields.expires_in = Some(node.to_json()),
            "affinity" => fields.affinity = self.texts(path, node),
            _ => fields.output = self.text(path, node),
        }
    }

    fn variables(&mut self, path: &Path, node: &Node) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for member in self.members(path, node) {
            let at = path.field(&member.key);
            if let Some(value) = self.text(&at, &member.value) {
                variables.insert(member.key.clone(), value);
            }
        }
        variables
    }

    fn after(&mut self, path: &Path, node: &Node) -> Vec<After> {
        let single = std::slice::from_ref(node);
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Null => return Vec::new(),
            _ => single,
        };
        let edges = items.iter().enumerate();
        edges
            .filter_map(|(index, node)| self.edge(&path.index(index), node))
            .collect()
    }

    fn edge(&mut self, path: &Path, node: &Node) -> Option<After> {
        let mut after = After {
            step: String::new(),
            on: On::Success,
        };
        match &node.content {
            Content::Text(step) => after.step.clone_from(step),
            Content::Map(members) => {
                for member in members {
                    let (at, node) = (path.field(&member.key), &member.value);
                    match member.key.as_str() {
                        "step" => after.step = self.text(&at, node)?,
                        "on" => after.on = self.choice(&at, node, On::NAMES),
                        _ => self.unknown(&at, &member.key, EDGE_FIELDS),
                    }
                }
                if !self.require(path, node, &["step"]) {
                    return None;
                }
            }
            _ => {
                self.wrong(path, node, "the id of a step, or `{ step: ID, on: ... }`");
                return None;
            }
        }
        Some(after)
    }

    fn for_each(&mut self, path: &Path, node: &Node) -> Option<ForEach> {
        match &node.content {
            Content::Text(expression) => Some(ForEach::Expression(expression.clone())),
            Content::List(items) => Some(ForEach::List(items.iter().map(Node::to_json).collect())),
            _ => {
                self.wrong(path, node, "an expression or a list");
                None
            }
        }
    }

    /// An expression. `true` and `0` are expressions as well, though YAML has types for them.
    fn expression(&mut self, path: &Path, node: &Node) -> Option<String> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            Content::Bool(_) => Some(node.to_json().to_string()),
            _ => {
                self.wrong(path, node, "an expression");
                None
            }
        }
    }

    /// A name; empty when it is flawed.
    fn name(&mut self, path: &Path, node: &Node) -> String {
        let name = self.text(path, node);
        if name.as_deref() == Some("") {
            self.flaws.add(path.clone(), Reason::Empty);
        }
        name.unwrap_or_default()
    }

    fn text(&mut self, path: &Path, node: &Node) -> Option<String> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            _ => {
                self.wrong(path, node, "a text");
                None
            }
        }
    }

    fn texts(&mut self, path: &Path, node: &Node) -> Option<Vec<String>> {
        let Content::List(items) = &node.content else {
            self.wrong(path, node, "a list of texts");
            return None;
        };
        let texts = items.iter().enumerate();
        let texts = texts.filter_map(|(index, item)| self.text(&path.index(index), item));
        Some(texts.collect())
    }

    fn flag(&mut self, path: &Path, node: &Node) -> bool {
        match &node.content {
            Content::Bool(value) => *value,
            _ => {
                self.wrong(path, node, "true or false");
                false
            }
        }
    }

    fn whole(&mut self, path: &Path, node: &Node, min: u32, max: u32) -> Option<u32> {
        let Content::Number(number) = &node.content else {
            self.wrong(path, node, "a whole number");
            return None;
        };
        let fits = number.as_u64().and_then(|n| u32::try_from(n).ok());
        match fits {
            Some(n) if (min..=max).contains(&n) => Some(n),
            None if number.as_f64().is_some_and(|n| n.fract() != 0.0) => {
                self.wrong(path, node, "a whole number");
                None
            }
            _ => {
                let (min, max) = (u64::from(min), u64::from(max));
                let got = number.to_string();
                let reason = Reason::OutOfRange { min, max, got };
                self.flaws.add(path.clone(), reason);
                None
            }
        }
    }

    fn choice<T: Copy + Default>(
        &mut self,
        path: &Path,
        node: &Node,
        names: &[(&'static str, T)],
    ) -> T {
        if let Content::Text(text) = &node.content {
            if let Some((_, value)) = names.iter().find(|(name, _)| name == text) {
                return *value;
            }
            let hint = nearest::hint(text, names.iter().map(|(name, _)| *name));
            let reason = wrong_choice(names, node);
            self.flaws.hinted(path.clone(), reason, hint);
        } else {
            let reason = wrong_choice(names, node);
            self.flaws.add(path.clone(), reason);
        }
        T::default()
    }

    fn members<'n>(&mut self, path: &Path, node: &'n Node) -> &'n [Member] {
        match &node.content {
            Content::Map(members) => members,
            _ => {
                self.wrong(path, node, "a map");
                &[]
            }
        }
    }

    fn items<'n>(&mut self, path: &Path, node: &'n Node) -> &'n [Node] {
        match &node.content {
            Content::List(items) => items,
            _ => {
                self.wrong(path, node, "a list");
                &[]
            }
        }
    }

    /// Whether all of these members are there.
    fn require(&mut self, path: &Path, node: &Node, names: &[&str]) -> bool {
        let Content::Map(members) = &node.content else {
            return false;
        };
        let there = |name: &str| members.iter().any(|member| member.key == name);
        let mut all = true;
        for name in names.iter().filter(|name| !there(name)) {
            self.flaws.add(path.field(name), Reason::Missing);
            all = false;
        }
        all
    }

    fn unknown(&mut self, path: &Path, name: &str, known: &[&str]) {
        let hint = nearest::hint(name, known.iter().copied());
        self.flaws.hinted(path.clone(), Reason::UnknownField, hint);
    }

    fn wrong(&mut self, path: &Path, node: &Node, expected: &str) {
        let reason = Reason::WrongType {
            expected: expected.to_owned(),
            got: nearest::shown(&node.to_json()),
        };
        let hint = match &node.content {
            Content::Number(_) | Content::Bool(_) if expected.contains("text") => {
                Some("put it in quotes".to_owned())
            }
            _ => None,
        };
        self.flaws.hinted(path.clone(), reason, hint);
    }
}

fn wrong_choice<T>(names: &[(&'static str, T)], node: &Node) -> Reason {
    let quoted = names.iter().map(|(name, _)| format!("`{name}`"));
    Reason::WrongType {
        expected: format!("one of {}", quoted.collect::<Vec<_>>().join(", ")),
        got: nearest::shown(&node.to_json()),
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

impl On {
    pub(crate) const NAMES: &[(&'static str, On)] = &[
        ("success", On::Success),
        ("failure", On::Failure),
        ("any", On::Any),
    ];
}
