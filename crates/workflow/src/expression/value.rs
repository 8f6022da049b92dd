//! Values while they are computed. What comes from outside is looked at where it is; only what an
//! expression makes is made.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

/// A value during an evaluation. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    /// From the least `i64` to the greatest `u64`.
    Int(i128),
    Double(f64),
    Text(Text<'a>),
    /// A list that came from outside.
    Items(&'a [Value]),
    /// A list that was made.
    List(Rc<[Val<'a>]>),
    /// A map that came from outside.
    Members(&'a Map<String, Value>),
    /// A map that was made.
    Map(Rc<BTreeMap<String, Val<'a>>>),
}

#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Given(&'a str),
    Made(Rc<str>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Given(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl<'a> Val<'a> {
    /// A look at a value from outside.
    pub(crate) fn of(value: &'a Value) -> Val<'a> {
        match value {
            Value::Null => Val::Null,
            Value::Bool(value) => Val::Bool(*value),
            Value::String(text) => Val::given(text),
            Value::Array(items) => Val::Items(items),
            Value::Object(members) => Val::Members(members),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Val::Int(int.into()),
                (_, Some(int)) => Val::Int(int.into()),
                _ => Val::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
        }
    }

    pub(crate) fn given(text: &'a str) -> Val<'a> {
        Val::Text(Text::Given(text))
    }

    pub(crate) fn made(text: impl Into<Rc<str>>) -> Val<'a> {
        Val::Text(Text::Made(text.into()))
    }

    /// The name of its type, as messages show it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Val::Null => "null",
            Val::Bool(_) => "bool",
            Val::Int(_) => "int",
            Val::Double(_) => "double",
            Val::Text(_) => "string",
            Val::Items(_) | Val::List(_) => "list",
            Val::Members(_) | Val::Map(_) => "map",
        }
    }

    /// How many elements or members there are; none for what has none.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Val::Items(items) => Some(items.len()),
            Val::List(items) => Some(items.len()),
            Val::Members(members) => Some(members.len()),
            Val::Map(members) => Some(members.len()),
            _ => None,
        }
    }

    /// An element of a list.
    pub(crate) fn element(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Val::Items(items) => items.get(index).map(Val::of),
            Val::List(items) => items.get(index).cloned(),
            _ => None,
        }
    }

    /// A member of a map.
    pub(crate) fn member(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Val::Members(members) => members.get(name).map(Val::of),
            Val::Map(members) => members.get(name).cloned(),
            _ => None,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Val::Items(_) | Val::List(_))
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self, Val::Members(_) | Val::Map(_))
    }

    /// What a loop goes over: the elements of a list, or the keys of a map in its order; none for
    /// anything else.
    pub(crate) fn visited(&self) -> Option<Visited<'a>> {
        match self {
            Val::Members(members) => Some(Visited::Keys(
                members.keys().map(|key| Val::given(key)).collect(),
            )),
            Val::Map(members) => Some(Visited::Keys(
                members.keys().map(|key| Val::made(key.as_str())).collect(),
            )),
            list if list.is_list() => Some(Visited::Elements(list.clone())),
            _ => None,
        }
    }
}

/// What a loop goes over.
pub(crate) enum Visited<'a> {
    Elements(Val<'a>),
    Keys(Vec<Val<'a>>),
}

impl<'a> Visited<'a> {
    pub(crate) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Visited::Elements(list) => list.element(index),
            Visited::Keys(keys) => keys.get(index).cloned(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Visited::Elements(list) => list.len().unwrap_or(0),
            Visited::Keys(keys) => keys.len(),
        }
    }
}
