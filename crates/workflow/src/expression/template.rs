//! Texts with `${ expression }` in them, and JSON values with such texts.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::evaluate::Machine;
use super::flaw::ExpressionFlaw;
use super::problem::Problem;
use super::tree::Site;
use crate::limits::VALUE_BYTES;

/// A text with expressions in it.
#[derive(Debug)]
pub(crate) enum Template {
    /// No expression.
    Plain(Box<str>),
    /// One expression and nothing else: where a value may be, it keeps its type.
    Whole(Arc<Site>),
    Parts(Vec<Part>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Text(Box<str>),
    Expression(Arc<Site>),
}

/// A value with templates for its texts. Keys are no templates.
#[derive(Debug)]
pub(crate) enum JsonTemplate {
    Plain(Value),
    Text(Template),
    List(Vec<JsonTemplate>),
    Map(Vec<(String, JsonTemplate)>),
}

/// A template that failed: which expression, and why.
pub(crate) type Failed = (Arc<Site>, Problem);

/// A piece of a text: plain, or the source of an expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece<'a> {
    Plain(String),
    Source(&'a str),
}

/// Takes a text apart. `$${` stands for a plain `${`.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ExpressionFlaw> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at - 1]);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let Some(end) = end_of_expression(inside) else {
            let before = &text[..text.len() - inside.len() - 2];
            let column = before.chars().count() + 1;
            return Err(ExpressionFlaw::Unclosed { column });
        };
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Source(inside[..end].trim()));
        rest = &inside[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok(pieces)
}

/// Where the `}` stands that ends an expression: not one in a text or a map inside of it.
fn end_of_expression(source: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in source.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('{', None) => depth += 1,
            ('}', None) if depth == 0 => return Some(at),
            ('}', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Template {
    /// The first expression in it.
    pub(crate) fn expression(&self) -> Option<&Arc<Site>> {
        match self {
            Template::Plain(_) => None,
            Template::Whole(site) => Some(site),
            Template::Parts(parts) => parts.iter().find_map(|part| match part {
                Part::Expression(site) => Some(site),
                Part::Text(_) => None,
            }),
        }
    }

    /// Whether what it gives depends on anything.
    pub(crate) fn has_expression(&self) -> bool {
        self.expression().is_some()
    }

    /// The text it gives.
    pub(crate) fn text<'a>(&self, machine: &mut Machine<'a, '_>) -> Result<String, Failed> {
        let of = |site: &Arc<Site>, machine: &mut Machine<'a, '_>| {
            let value = machine.evaluate(&site.expression);
            let text = value.and_then(|value| value.to_text(machine));
            text.map_err(|problem| (Arc::clone(site), problem))
        };
        match self {
            Template::Plain(text) => Ok(text.to_string()),
            Template::Whole(site) => of(site, machine),
            Template::Parts(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Expression(site) => {
                            text.push_str(&of(site, machine)?);
                            if text.len() > VALUE_BYTES {
                                return Err((Arc::clone(site), Problem::TooLarge));
                            }
                        }
                    }
                }
                Ok(text)
            }
        }
    }

    /// The value it gives: that of the expression when there is nothing else, else a text.
    fn value<'a>(&self, machine: &mut Machine<'a, '_>) -> Result<Value, Failed> {
        match self {
            Template::Whole(site) => {
                let value = machine.evaluate(&site.expression);
                let value = value.and_then(|value| value.to_json(machine));
                value.map_err(|problem| (Arc::clone(site), problem))
            }
            _ => self.text(machine).map(Value::String),
        }
    }
}

impl JsonTemplate {
    /// Whether what it gives may depend on anything.
    pub(crate) fn has_expression(&self) -> bool {
        !matches!(self, JsonTemplate::Plain(_))
    }

    /// The value it gives.
    pub(crate) fn value<'a>(&self, machine: &mut Machine<'a, '_>) -> Result<Value, Failed> {
        match self {
            JsonTemplate::Plain(value) => Ok(value.clone()),
            JsonTemplate::Text(template) => template.value(machine),
            JsonTemplate::List(items) => {
                let items = items.iter().map(|item| item.value(machine));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            JsonTemplate::Map(members) => {
                let mut map = Map::new();
                for (key, member) in members {
                    map.insert(key.clone(), member.value(machine)?);
                }
                Ok(Value::Object(map))
            }
        }
    }
}
