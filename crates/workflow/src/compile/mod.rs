//! From a definition to a workflow: everything that can be known before a run is checked here, and
//! every flaw is reported with its place.

mod contradiction;
mod expressions;
mod extend;
mod fields;
mod graph;
mod order;
mod programs;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use capataz_api::spec;

use crate::definition::{self, Definition};
use crate::document::Path;
use crate::document::{self, Node, Unreadable};
use crate::limits;
use crate::nearest;
use crate::refusal::{Flaw, Flaws, Reason, Refusal};
use crate::workflow::{Kind, Step, Workflow};

use expressions::Compiler;

pub use extend::AddedSteps;
pub(crate) use programs::{Elements, Programs};
pub(crate) use settings::{Settings, read_span};

/// Reads and checks a text.
pub(crate) fn from_text(text: &str) -> Result<Workflow, Refusal> {
    from_document(&document::read(text).map_err(unreadable)?)
}

/// The refusal of a text that is no document.
fn unreadable(unreadable: Unreadable) -> Refusal {
    Refusal {
        flaws: vec![Flaw {
            place: unreadable.place,
            path: String::new(),
            reason: unreadable.reason,
            hint: None,
        }],
        more: 0,
    }
}

/// Reads and checks a definition that was never a text.
pub(crate) fn from_definition(definition: &Definition) -> Result<Workflow, Refusal> {
    from_document(&Node::from_json(&definition.to_json()))
}

fn from_document(document: &Node) -> Result<Workflow, Refusal> {
    let mut flaws = Flaws::new(document);
    let definition = definition::read(document, &mut flaws);
    let workflow = compile(definition, &mut flaws);
    flaws.into_result()?;
    Ok(workflow)
}

/// Checks a definition; the workflow is whole only when there are no flaws.
fn compile(definition: Definition, flaws: &mut Flaws<'_>) -> Workflow {
    settings::check(&definition, flaws);
    fields::check(&definition, flaws);
    let ids = ids(&definition, flaws);
    let graph = graph::build(&definition, &ids, flaws);
    let mut compiler = Compiler::new(&definition, &ids, flaws);
    let mut settings = settings::compile(&definition, &mut compiler);
    let (programs, of_defaults) = programs::compile(&definition, &mut compiler);
    settings.sites.extend(of_defaults);
    if let Some(graph) = &graph {
        order::check(&definition, graph, &programs, flaws);
        order::check_run(&definition, &settings.sites, flaws);
        contradiction::check(&definition, graph, flaws);
    }
    let edges = graph.map(|graph| graph.before).unwrap_or_default();
    let steps = steps(&definition, edges, &programs, &settings);
    Workflow::new(definition, steps, programs, settings)
}

/// Every id and the step that has it.
fn ids<'d>(definition: &'d Definition, flaws: &mut Flaws<'_>) -> BTreeMap<&'d str, usize> {
    let mut ids = BTreeMap::new();
    for (index, step) in definition.steps.iter().enumerate() {
        let step_path = Path::step(index);
        let path = step_path.field("id");
        // An id that is missing or empty has been reported.
        if step.id.is_empty() {
            continue;
        }
        check_name(&step.id, &path, flaws);
        if let Some(first) = ids.get(step.id.as_str()) {
            let (id, first) = (nearest::shorten(&step.id), *first);
            flaws.add(&path, Reason::DuplicateStep { id, first });
        } else {
            ids.insert(step.id.as_str(), index);
        }
    }
    ids
}

/// Checks a name that is there: its length and its characters.
fn check_name(name: &str, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    if let Err(error) = spec::check_name("", name) {
        flaws.add(path, Reason::Task(error.flaw));
    }
}

/// What the engine sees of the steps.
fn steps(
    definition: &Definition,
    edges: Vec<Vec<graph::Edge>>,
    programs: &[Programs],
    settings: &Settings,
) -> Vec<Step> {
    let mut kept = vec![false; definition.steps.len()];
    let sites = programs.iter().flat_map(|programs| &programs.sites);
    for site in sites.chain(&settings.sites) {
        for step in &site.expression.uses.outputs {
            kept[*step] = true;
        }
    }
    let mut edges = edges.into_iter();
    let defaults = &definition.defaults;
    let mut steps = Vec::with_capacity(definition.steps.len());
    for (index, step) in definition.steps.iter().enumerate() {
        let priority = step.task.priority.or(defaults.priority);
        let priority = priority.or(definition.priority);
        let group = step.task.group.as_ref().or(defaults.group.as_ref());
        steps.push(Step {
            id: step.id.clone(),
            after: edges.next().unwrap_or_default(),
            join: step.join,
            kind: if step.noop { Kind::Noop } else { Kind::Task },
            allow_failure: step.allow_failure,
            has_when: step.when.is_some(),
            has_for_each: step.for_each.is_some(),
            parallelism: step.parallelism,
            expected: step
                .expected
                .as_ref()
                .and_then(|span| read_span(span).ok())
                .map(Duration::from),
            keeps_output: kept[index] || step.alters_message,
            alters_message: step.alters_message,
            priority: priority.unwrap_or(capataz_api::limits::PRIORITY_DEFAULT),
            group: group.filter(|_| !step.noop).cloned(),
        });
    }
    steps
}

/// Checks how much there is of something.
fn check_count(
    got: usize,
    limit: usize,
    unit: &'static str,
    path: &Path<'_>,
    flaws: &mut Flaws<'_>,
) {
    if got > limit {
        flaws.add(path, Reason::TooLarge { limit, got, unit });
    }
}

/// Checks a description.
fn check_description(text: Option<&String>, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    let got = text.map_or(0, String::len);
    let path = path.field("description");
    check_count(got, limits::DESCRIPTION_BYTES, "bytes", &path, flaws);
}
