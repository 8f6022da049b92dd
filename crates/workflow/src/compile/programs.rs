//! What is evaluated for a step: its condition, its elements and the templates of its task.

use std::sync::{Arc, OnceLock};

use capataz_api::proto::TaskSpec;
use serde_json::{Map, Value};

use super::expressions::{Compiler, Stage};
use crate::definition::{Definition, ForEach, StepDefinition, TaskFields};
use crate::document::Path;
use crate::expression::{JsonTemplate, Site, Template};

/// A step's compiled expressions.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) when: Option<Arc<Site>>,
    pub(crate) elements: Option<Elements>,
    pub(crate) argv: Vec<Template>,
    pub(crate) payload: Option<JsonTemplate>,
    pub(crate) env: Vec<(String, Arc<Template>)>,
    pub(crate) tags: Arc<Vec<Template>>,
    pub(crate) meta: Option<Arc<JsonTemplate>>,
    pub(crate) affinity: Arc<Vec<Template>>,
    /// The fields of the task that are no templates.
    pub(crate) fixed: Map<String, Value>,
    /// The task with all of its fields that have no expression, read when it is first needed; none
    /// if it cannot be read like that.
    pub(crate) plain: OnceLock<Option<TaskSpec>>,
    /// Every expression above but those of `defaults`.
    pub(crate) sites: Vec<Arc<Site>>,
}

/// What a step runs over.
#[derive(Debug)]
pub(crate) enum Elements {
    Expression(Arc<Site>),
    List(JsonTemplate),
}

/// The templates of `defaults`, compiled once for all steps.
struct Shared {
    env: Vec<(String, Arc<Template>)>,
    tags: Arc<Vec<Template>>,
    meta: Option<Arc<JsonTemplate>>,
    affinity: Arc<Vec<Template>>,
    fixed: Map<String, Value>,
}

/// Compiles every step; the sites beside are those of `defaults`.
pub(super) fn compile(
    definition: &Definition,
    compiler: &mut Compiler<'_, '_>,
) -> (Vec<Programs>, Vec<Arc<Site>>) {
    let shared = share(definition, compiler);
    let of_defaults = compiler.take_sites();
    let steps = definition.steps.iter().enumerate();
    let programs = steps.map(|(index, step)| compile_step(index, step, &shared, compiler));
    (programs.collect(), of_defaults)
}

fn share(definition: &Definition, compiler: &mut Compiler<'_, '_>) -> Shared {
    let path = Path::top("defaults");
    let fields = &definition.defaults;
    // Not every step has the same steps before it, so no output is known here.
    let stage = Stage::Start;
    let env = fields.env.iter().map(|(name, text)| {
        let template = compiler.template(text, stage, &path.field("env").field(name));
        (name.clone(), Arc::new(template))
    });
    let env = env.collect();
    let texts = |texts: &Option<Vec<String>>, name: &str, compiler: &mut Compiler<'_, '_>| {
        let texts = texts.as_deref().unwrap_or_default();
        Arc::new(compiler.templates(texts, stage, &path.field(name)))
    };
    let tags = texts(&fields.tags, "tags", compiler);
    let affinity = texts(&fields.affinity, "affinity", compiler);
    let meta = fields.meta.as_ref().map(|meta| {
        let template = compiler.json(meta, stage, &path.field("meta"));
        Arc::new(template)
    });
    let mut fixed = fixed(fields);
    if let (None, Some(priority)) = (fields.priority, definition.priority) {
        fixed.insert("priority".to_owned(), priority.into());
    }
    Shared {
        env,
        tags,
        meta,
        affinity,
        fixed,
    }
}

fn compile_step(
    index: usize,
    step: &StepDefinition,
    shared: &Shared,
    compiler: &mut Compiler<'_, '_>,
) -> Programs {
    let path = Path::step(index);
    let mut programs = Programs {
        when: step.when.as_ref().and_then(|source| {
            let path = path.field("when");
            compiler.expression(source.trim(), Stage::Run, &path)
        }),
        elements: step.for_each.as_ref().and_then(|for_each| {
            let path = path.field("for_each");
            match for_each {
                ForEach::Expression(source) => compiler
                    .expression(source.trim(), Stage::Run, &path)
                    .map(Elements::Expression),
                ForEach::List(items) => {
                    let items = Value::Array(items.clone());
                    Some(Elements::List(compiler.json(&items, Stage::Run, &path)))
                }
            }
        }),
        argv: Vec::new(),
        payload: None,
        env: Vec::new(),
        tags: Arc::clone(&shared.tags),
        meta: None,
        affinity: Arc::clone(&shared.affinity),
        fixed: Map::new(),
        plain: OnceLock::new(),
        sites: Vec::new(),
    };
    if !step.noop {
        compile_task(step, &path, shared, &mut programs, compiler);
    }
    programs.sites = compiler.take_sites();
    programs
}

fn compile_task(
    step: &StepDefinition,
    path: &Path<'_>,
    shared: &Shared,
    programs: &mut Programs,
    compiler: &mut Compiler<'_, '_>,
) {
    let stage = match step.for_each {
        Some(_) => Stage::Element,
        None => Stage::Run,
    };
    let fields = &step.task;
    programs.argv = compiler.templates(&fields.argv, stage, &path.field("argv"));
    let payload = fields.payload.as_ref();
    programs.payload = payload.map(|it| compiler.json(it, stage, &path.field("payload")));
    let inherited = shared.env.iter();
    programs.env = inherited
        .filter(|(name, _)| !fields.env.contains_key(name))
        .cloned()
        .collect();
    for (name, text) in &fields.env {
        let template = compiler.template(text, stage, &path.field("env").field(name));
        programs.env.push((name.clone(), Arc::new(template)));
    }
    if let Some(tags) = &fields.tags {
        let tags = compiler.templates(tags, stage, &path.field("tags"));
        programs.tags = Arc::new(tags);
    }
    if let Some(keys) = &fields.affinity {
        let keys = compiler.templates(keys, stage, &path.field("affinity"));
        programs.affinity = Arc::new(keys);
    }
    programs.meta = match &fields.meta {
        Some(meta) => Some(Arc::new(compiler.json(meta, stage, &path.field("meta")))),
        None => shared.meta.clone(),
    };
    programs.fixed = shared.fixed.clone();
    programs.fixed.extend(fixed(fields));
}

/// The fields that are no templates.
fn fixed(fields: &TaskFields) -> Map<String, Value> {
    let mut fixed = fields.to_map();
    for template in ["argv", "payload", "env", "tags", "meta", "affinity"] {
        fixed.remove(template);
    }
    fixed
}
