//! Steps out of documents.

use std::collections::BTreeMap;

use capataz_api::limits::{ATTEMPTS_MAX, PRIORITY_MAX, PRIORITY_MIN};

use super::fields::TaskFields;
use super::reader::Reader;
use super::step::{After, ForEach, Join, On, StepDefinition};
use crate::document::Path;
use crate::document::{Content, Node};
use crate::limits::COUNT_MAX;
use crate::nearest;
use crate::refusal::Reason;

const EDGE_FIELDS: &[&str] = &["step", "on"];
const STEP_FIELDS: &[&str] = &[
    "id",
    "after",
    "join",
    "when",
    "for_each",
    "parallelism",
    "expected",
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

impl Reader<'_, '_> {
    pub(super) fn step(&mut self, path: &Path<'_>, node: &Node) -> StepDefinition {
        let mut step = StepDefinition::default();
        for member in self.fields(path, node, &["payload"]) {
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
                "expected" => step.expected = Some(node.to_json()),
                "allow_failure" => step.allow_failure = self.flag(&at, node),
                "noop" => step.noop = self.flag(&at, node),
                "alters_message" => step.alters_message = self.flag(&at, node),
                _ if TASK_FIELDS.contains(&name) => {
                    self.task_field(&mut step.task, name, &at, node);
                }
                _ => {
                    let known = STEP_FIELDS.iter().chain(TASK_FIELDS).copied();
                    let hint = nearest::hint(name, known);
                    self.flaws.hinted(&at, Reason::UnknownField, hint);
                }
            }
        }
        self.require(path, node, &["id"]);
        step
    }

    pub(super) fn task_field(
        &mut self,
        fields: &mut TaskFields,
        name: &str,
        path: &Path<'_>,
        node: &Node,
    ) {
        match name {
            "group" => fields.group = self.text(path, node),
            "argv" => {
                fields.argv = self.texts(path, node).unwrap_or_default();
                if matches!(&node.content, Content::List(items) if items.is_empty()) {
                    self.flaws.add(path, Reason::Empty);
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

    fn variables(&mut self, path: &Path<'_>, node: &Node) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for member in self.members(path, node) {
            let at = path.field(&member.key);
            if let Some(value) = self.text(&at, &member.value) {
                variables.insert(member.key.clone(), value);
            }
        }
        variables
    }

    fn after(&mut self, path: &Path<'_>, node: &Node) -> Vec<After> {
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

    fn edge(&mut self, path: &Path<'_>, node: &Node) -> Option<After> {
        let mut after = After {
            step: String::new(),
            on: On::Success,
        };
        match &node.content {
            Content::Text(step) => after.step.clone_from(step),
            Content::Map(members) => {
                let said = members.iter().filter(|m| m.value.content != Content::Null);
                for member in said {
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

    fn for_each(&mut self, path: &Path<'_>, node: &Node) -> Option<ForEach> {
        match &node.content {
            Content::Text(expression) => Some(ForEach::Expression(expression.clone())),
            Content::List(items) => Some(ForEach::List(items.iter().map(Node::to_json).collect())),
            _ => {
                self.wrong(path, node, "an expression or a list");
                None
            }
        }
    }
}

impl On {
    pub(crate) const NAMES: &[(&'static str, On)] = &[
        ("success", On::Success),
        ("failure", On::Failure),
        ("any", On::Any),
    ];
}
