//! Compiles the expressions and templates of a definition, and notes where each stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::definition::Definition;
use crate::document::Path;
use crate::expression::{
    Expression, JsonTemplate, Names, Part, Piece, Site, Template, lower, pieces,
};
use crate::refusal::{Flaws, Reason};

/// What an expression may refer to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Parameters and the run's own data: there is no output yet.
    Start,
    /// Also outputs, states and the message.
    Run,
    /// Also the element and its index.
    Element,
}

pub(super) struct Compiler<'d, 'w> {
    pub(super) flaws: &'d mut Flaws<'w>,
    parameters: BTreeSet<&'d str>,
    ids: &'d BTreeMap<&'d str, usize>,
    /// Steps made by a program say the same thing often.
    known: BTreeMap<(Stage, String), Arc<Expression>>,
    /// The expressions that were compiled since they were taken last.
    sites: Vec<Arc<Site>>,
}

impl<'d, 'w> Compiler<'d, 'w> {
    pub(super) fn new(
        definition: &'d Definition,
        ids: &'d BTreeMap<&'d str, usize>,
        flaws: &'d mut Flaws<'w>,
    ) -> Compiler<'d, 'w> {
        let parameters = definition.parameters.iter();
        Compiler {
            flaws,
            parameters: parameters.map(|(name, _)| name.as_str()).collect(),
            ids,
            known: BTreeMap::new(),
            sites: Vec::new(),
        }
    }

    pub(super) fn take_sites(&mut self) -> Vec<Arc<Site>> {
        std::mem::take(&mut self.sites)
    }

    /// Compiles an expression; none when it is flawed.
    pub(super) fn expression(
        &mut self,
        source: &str,
        stage: Stage,
        path: &Path<'_>,
    ) -> Option<Arc<Site>> {
        let known = self.known.get(&(stage, source.to_owned()));
        let expression = match known {
            Some(expression) => Arc::clone(expression),
            None => {
                let names = Names {
                    parameters: &self.parameters,
                    steps: self.ids,
                    in_run: stage >= Stage::Run,
                    in_element: stage >= Stage::Element,
                };
                match lower(source, names) {
                    Ok(expression) => {
                        let expression = Arc::new(expression);
                        let key = (stage, source.to_owned());
                        self.known.insert(key, Arc::clone(&expression));
                        expression
                    }
                    Err((flaw, hint)) => {
                        let reason = Reason::Expression(flaw);
                        self.flaws.hinted(path, reason, hint);
                        return None;
                    }
                }
            }
        };
        let site = Arc::new(Site {
            expression,
            path: path.to_string().into(),
            place: self.flaws.place_of(path),
        });
        self.sites.push(Arc::clone(&site));
        Some(site)
    }

    /// Compiles a text with expressions in it. What is flawed is reported, and plain instead.
    pub(super) fn template(&mut self, text: &str, stage: Stage, path: &Path<'_>) -> Template {
        let plain = || Template::Plain(text.into());
        if !text.contains("${") {
            return plain();
        }
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(flaw) => {
                self.flaws.add(path, Reason::Expression(flaw));
                return plain();
            }
        };
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Plain(text) => parts.push(Part::Text(text.into())),
                Piece::Source(source) => match self.expression(source, stage, path) {
                    Some(site) => parts.push(Part::Expression(site)),
                    None => return plain(),
                },
            }
        }
        match parts.as_mut_slice() {
            [Part::Text(text)] => Template::Plain(std::mem::take(text)),
            [Part::Expression(site)] => Template::Whole(Arc::clone(site)),
            _ => Template::Parts(parts),
        }
    }

    /// Compiles texts with expressions in them.
    pub(super) fn templates(
        &mut self,
        texts: &[String],
        stage: Stage,
        path: &Path<'_>,
    ) -> Vec<Template> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(index, text)| match text.contains("${") {
                true => self.template(text, stage, &path.index(index)),
                false => Template::Plain(text.as_str().into()),
            })
            .collect()
    }

    /// Compiles a value with templates for texts.
    pub(super) fn json(&mut self, value: &Value, stage: Stage, path: &Path<'_>) -> JsonTemplate {
        match value {
            _ if !has_template(value) => JsonTemplate::Plain(value.clone()),
            Value::String(text) => JsonTemplate::Text(self.template(text, stage, path)),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| self.json(item, stage, &path.index(index)));
                JsonTemplate::List(items.collect())
            }
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(key, member)| (key.clone(), self.json(member, stage, &path.field(key))));
                JsonTemplate::Map(members.collect())
            }
            other => JsonTemplate::Plain(other.clone()),
        }
    }
}

/// Whether any text in a value has an expression, or an escaped one.
pub(super) fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(members) => members.values().any(has_template),
        _ => false,
    }
}
