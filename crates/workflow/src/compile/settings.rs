//! A workflow's own fields: names, parameters, and what is evaluated for a run as a whole.

use std::sync::Arc;

use capataz_api::{Span, limits as task_limits, spec};
use serde_json::Value;

use super::expressions::{Compiler, Stage, has_template};
use crate::definition::{Definition, Parameter};
use crate::document::Path;
use crate::expression::{JsonTemplate, Site, Template};
use crate::limits::{CHOICES, PARAMETERS};
use crate::nearest;
use crate::parameters;
use crate::refusal::{Flaws, Reason};

/// What is evaluated for a run as a whole.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) tags: Vec<Template>,
    pub(crate) conflict_key: Option<Template>,
    pub(crate) message: Option<JsonTemplate>,
    pub(crate) until: Option<Arc<Site>>,
    pub(crate) successor: Vec<(String, JsonTemplate)>,
    pub(crate) result: Option<JsonTemplate>,
    /// Every expression above, and those of `defaults`.
    pub(crate) sites: Vec<Arc<Site>>,
}

pub(super) fn compile(definition: &Definition, compiler: &mut Compiler<'_, '_>) -> Settings {
    let root = Path::ROOT;
    let path = root.field("tags");
    let mut settings = Settings {
        tags: compiler.templates(&definition.tags, Stage::Start, &path),
        ..Settings::default()
    };
    for (index, tag) in settings.tags.iter().enumerate() {
        check_plain(tag, &path.index(index), compiler.flaws);
    }
    if let Some(key) = &definition.conflict_key {
        let path = root.field("conflict_key");
        let template = compiler.template(key, Stage::Start, &path);
        check_plain(&template, &path, compiler.flaws);
        settings.conflict_key = Some(template);
    }
    if let Some(message) = &definition.message {
        let path = root.field("message");
        settings.message = Some(compiler.json(message, Stage::Start, &path));
    }
    if let Some(repeat) = &definition.repeat {
        let path = root.field("repeat");
        let until = repeat.until.trim();
        settings.until = compiler.expression(until, Stage::Run, &path.field("until"));
        let path = path.field("params");
        for (name, value) in &repeat.params {
            let template = compiler.json(value, Stage::Run, &path.field(name));
            settings.successor.push((name.clone(), template));
        }
    }
    if let Some(result) = &definition.result {
        let path = root.field("result");
        settings.result = Some(compiler.json(result, Stage::Run, &path));
    }
    settings.sites = compiler.take_sites();
    settings
}

pub(super) fn check(definition: &Definition, flaws: &mut Flaws<'_>) {
    let root = Path::ROOT;
    // A name that is missing or empty has been reported.
    if !definition.name.is_empty() {
        super::check_name(&definition.name, &root.field("name"), flaws);
    }
    super::check_description(definition.description.as_ref(), &root, flaws);
    let tags = definition.tags.len();
    super::check_count(tags, task_limits::TAGS, "items", &root.field("tags"), flaws);
    check_parameters(definition, flaws);
    check_backoff(definition, flaws);
    check_repeat(definition, flaws);
    if definition.on_conflict != crate::OnConflict::Wait && definition.conflict_key.is_none() {
        let other = "conflict_key";
        flaws.add(&root.field("on_conflict"), Reason::Needs { other });
    }
}

/// Checks a name without expressions; others are checked when they are rendered.
fn check_plain(template: &Template, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    if let Template::Plain(name) = template {
        super::check_name(name, path, flaws);
    }
}

fn check_parameters(definition: &Definition, flaws: &mut Flaws<'_>) {
    let path = Path::top("parameters");
    let count = definition.parameters.len();
    super::check_count(count, PARAMETERS, "parameters", &path, flaws);
    for (name, parameter) in &definition.parameters {
        let path = path.field(name);
        super::check_name(name, &path, flaws);
        super::check_description(parameter.description.as_ref(), &path, flaws);
        let choices = parameter.choices.len();
        super::check_count(choices, CHOICES, "values", &path.field("enum"), flaws);
        for (index, choice) in parameter.choices.iter().enumerate() {
            let path = path.field("enum");
            check_value(parameter, choice, &path.index(index), flaws);
        }
        if let Some(default) = &parameter.default {
            check_value(parameter, default, &path.field("default"), flaws);
            let chosen = parameter.choices.is_empty() || parameter.choices.contains(default);
            if !chosen {
                let expected = "one of `enum`".to_owned();
                let got = nearest::shown(default);
                let reason = Reason::WrongType { expected, got };
                flaws.add(&path.field("default"), reason);
            }
        }
    }
}

fn check_value(parameter: &Parameter, value: &Value, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    if !parameters::fits(parameter.kind, value) {
        let expected = parameters::description(parameter.kind).to_owned();
        let got = nearest::shown(value);
        flaws.add(path, Reason::WrongType { expected, got });
    }
}

fn check_backoff(definition: &Definition, flaws: &mut Flaws<'_>) {
    let Some(backoff) = &definition.backoff else {
        return;
    };
    let path = Path::top("backoff");
    for (name, value) in [("initial", &backoff.initial), ("max", &backoff.max)] {
        if let Some(value) = value
            && let Err(flaw) = read_span(value)
        {
            flaws.add(&path.field(name), flaw);
        }
    }
    let most = task_limits::BACKOFF_FACTOR_PERCENT_MAX / 100;
    if let Some(factor) = backoff.factor
        && !(1.0..=f64::from(most)).contains(&factor)
    {
        let (min, max, got) = (1, most.into(), factor.to_string());
        let reason = Reason::OutOfRange { min, max, got };
        flaws.add(&path.field("factor"), reason);
    }
}

/// Reads a duration: a text such as `1m 30s`, or a number of seconds.
pub(crate) fn read_span(value: &Value) -> Result<Span, Reason> {
    let span = match value {
        Value::String(text) => text.parse::<Span>(),
        Value::Number(number) => Span::from_secs_f64(number.as_f64().unwrap_or(f64::NAN)),
        other => {
            let expected = "a duration such as \"1m 30s\" or a number of seconds".to_owned();
            let got = nearest::shown(other);
            return Err(Reason::WrongType { expected, got });
        }
    };
    span.map_err(|error| Reason::Task(spec::Flaw::Span(error)))
}

fn check_repeat(definition: &Definition, flaws: &mut Flaws<'_>) {
    let Some(repeat) = &definition.repeat else {
        return;
    };
    let path = Path::top("repeat");
    let path = path.field("params");
    for (name, value) in &repeat.params {
        let path = path.field(name);
        let known = definition
            .parameters
            .iter()
            .find(|(known, _)| known == name);
        match known {
            None => {
                let names = definition.parameters.iter().map(|(name, _)| name.as_str());
                let hint = nearest::hint(name, names);
                flaws.hinted(&path, Reason::UnknownField, hint);
            }
            Some((_, parameter)) if !has_template(value) => {
                check_value(parameter, value, &path, flaws);
            }
            Some(_) => {}
        }
    }
}
