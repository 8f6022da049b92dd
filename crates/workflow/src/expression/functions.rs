//! The functions that expressions may call: those of CEL's standard that JSON has values for, and
//! the most wanted of its string and list extensions, under the same names.

use std::rc::Rc;

use regex::RegexBuilder;

use super::evaluate::{Machine, types};
use super::operators;
use super::problem::Problem;
use super::value::Val;
use crate::limits::{MATCH_FUEL_PER_BYTE, PATTERN_BYTES, PATTERN_FUEL, VALUE_BYTES};
use crate::nearest::shorten;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    String,
    Int,
    Double,
    Bool,
    Dyn,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    IndexOf,
    Range,
}

/// How a function is called: `x.f()`, `f(x)`, either, or `lists.f(x)`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Method,
    Global,
    Both,
    OfLists,
}

/// Name, form, least and most arguments with the receiver, and how that is said.
const TABLE: &[(&str, Function, Form, usize, usize, &str)] = &[
    ("size", Function::Size, Form::Both, 1, 1, "one value"),
    (
        "contains",
        Function::Contains,
        Form::Method,
        2,
        2,
        "one argument",
    ),
    (
        "startsWith",
        Function::StartsWith,
        Form::Method,
        2,
        2,
        "one argument",
    ),
    (
        "endsWith",
        Function::EndsWith,
        Form::Method,
        2,
        2,
        "one argument",
    ),
    (
        "matches",
        Function::Matches,
        Form::Both,
        2,
        2,
        "a text and a pattern",
    ),
    ("string", Function::String, Form::Global, 1, 1, "one value"),
    ("int", Function::Int, Form::Global, 1, 1, "one value"),
    ("uint", Function::Int, Form::Global, 1, 1, "one value"),
    ("double", Function::Double, Form::Global, 1, 1, "one value"),
    ("bool", Function::Bool, Form::Global, 1, 1, "one value"),
    ("dyn", Function::Dyn, Form::Global, 1, 1, "one value"),
    (
        "lowerAscii",
        Function::LowerAscii,
        Form::Method,
        1,
        1,
        "no argument",
    ),
    (
        "upperAscii",
        Function::UpperAscii,
        Form::Method,
        1,
        1,
        "no argument",
    ),
    ("trim", Function::Trim, Form::Method, 1, 1, "no argument"),
    ("split", Function::Split, Form::Method, 2, 2, "one argument"),
    (
        "join",
        Function::Join,
        Form::Method,
        1,
        2,
        "at most one argument",
    ),
    (
        "replace",
        Function::Replace,
        Form::Method,
        3,
        3,
        "two arguments",
    ),
    (
        "substring",
        Function::Substring,
        Form::Method,
        2,
        3,
        "one or two arguments",
    ),
    (
        "indexOf",
        Function::IndexOf,
        Form::Method,
        2,
        2,
        "one argument",
    ),
    ("range", Function::Range, Form::OfLists, 1, 1, "one number"),
];

impl Function {
    /// The function of a call; `target` is the name that it is called on, empty when that is no
    /// name, none when it is called on nothing.
    pub(super) fn find(name: &str, target: Option<&str>) -> Option<Function> {
        let fits = |form: Form| match target {
            None => matches!(form, Form::Global | Form::Both),
            Some("lists") if form == Form::OfLists => true,
            Some(_) => matches!(form, Form::Method | Form::Both),
        };
        let row = TABLE.iter().find(|row| row.0 == name && fits(row.2));
        row.map(|row| row.1)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    /// Whether what it is called on is its first argument.
    pub(super) fn takes_receiver(self) -> bool {
        self.row().2 != Form::OfLists
    }

    /// Least and most arguments, and how that is said.
    pub(super) fn arguments(self) -> (usize, usize, &'static str) {
        let row = self.row();
        (row.3, row.4, row.5)
    }

    fn row(self) -> &'static (&'static str, Function, Form, usize, usize, &'static str) {
        let row = TABLE.iter().find(|row| row.1 == self);
        row.unwrap_or(&TABLE[0])
    }
}

/// Calls a function with as many arguments as it takes.
pub(super) fn call<'a>(
    machine: &mut Machine<'a, '_>,
    function: Function,
    args: &[Val<'a>],
) -> Result<Val<'a>, Problem> {
    match args {
        [Val::Text(text), rest @ ..] => {
            machine.pay_text(text.as_str().len())?;
            on_text(machine, function, text.as_str(), &args[0], rest)
        }
        [value] => on_value(machine, function, value),
        [list, Val::Text(separator)] if function == Function::Join && list.is_list() => {
            join(machine, list, separator.as_str())
        }
        _ => refuse(function, args),
    }
}

fn refuse<'a>(function: Function, args: &[Val<'a>]) -> Result<Val<'a>, Problem> {
    Err(types(function.name(), &args.iter().collect::<Vec<_>>()))
}

/// A function of one value that is no text.
fn on_value<'a>(
    machine: &mut Machine<'a, '_>,
    function: Function,
    value: &Val<'a>,
) -> Result<Val<'a>, Problem> {
    let name = function.name();
    match (function, value) {
        (Function::Dyn, _) => Ok(value.clone()),
        (Function::Size, _) => match value.len() {
            Some(length) => Ok(Val::Int(length as i128)),
            None => refuse(function, std::slice::from_ref(value)),
        },
        (Function::Int, Val::Int(_))
        | (Function::Double, Val::Double(_))
        | (Function::Bool, Val::Bool(_)) => Ok(value.clone()),
        (Function::Int, Val::Double(double)) if double.is_finite() => {
            operators::int(double.trunc() as i128, name)
        }
        (Function::Int, Val::Double(_)) => Err(Problem::OutOfRange { operator: name }),
        (Function::Double, Val::Int(int)) => Ok(Val::Double(*int as f64)),
        (Function::String, Val::Null | Val::Bool(_) | Val::Int(_) | Val::Double(_)) => {
            let text = value.to_text(machine)?;
            machine.made(text)
        }
        (Function::Join, list) if list.is_list() => join(machine, list, ""),
        (Function::Range, Val::Int(length)) => {
            let length = u64::try_from(*length).unwrap_or(0);
            machine.pay(length)?;
            let numbers = (0..length).map(|n| Val::Int(n.into()));
            Ok(Val::List(numbers.collect::<Rc<[_]>>()))
        }
        _ => refuse(function, std::slice::from_ref(value)),
    }
}

/// A function whose first argument is a text.
fn on_text<'a>(
    machine: &mut Machine<'a, '_>,
    function: Function,
    text: &str,
    value: &Val<'a>,
    rest: &[Val<'a>],
) -> Result<Val<'a>, Problem> {
    let failed = || Problem::Conversion {
        function: function.name(),
        got: shorten(text),
    };
    let flag = |value| Ok(Val::Bool(value));
    match (function, rest) {
        (Function::Size, []) => Ok(Val::Int(text.chars().count() as i128)),
        (Function::String | Function::Dyn, []) => Ok(value.clone()),
        (Function::Int, []) => {
            let int = text.parse().map_err(|_| failed())?;
            operators::int(int, function.name())
        }
        (Function::Double, []) => text.parse().map(Val::Double).map_err(|_| failed()),
        (Function::Bool, []) => match text {
            "true" | "True" | "TRUE" | "t" | "1" => flag(true),
            "false" | "False" | "FALSE" | "f" | "0" => flag(false),
            _ => Err(failed()),
        },
        (Function::LowerAscii, []) => machine.made(text.to_ascii_lowercase()),
        (Function::UpperAscii, []) => machine.made(text.to_ascii_uppercase()),
        (Function::Trim, []) => machine.made(text.trim().to_owned()),
        (Function::Contains, [Val::Text(part)]) => flag(text.contains(part.as_str())),
        (Function::StartsWith, [Val::Text(part)]) => flag(text.starts_with(part.as_str())),
        (Function::EndsWith, [Val::Text(part)]) => flag(text.ends_with(part.as_str())),
        (Function::Matches, [Val::Text(pattern)]) => matches(machine, text, pattern.as_str()),
        (Function::IndexOf, [Val::Text(part)]) => {
            let found = text.find(part.as_str());
            let index = found.map_or(-1, |at| text[..at].chars().count() as i128);
            Ok(Val::Int(index))
        }
        (Function::Split, [Val::Text(separator)]) => split(machine, text, separator.as_str()),
        (Function::Replace, [Val::Text(from), Val::Text(to)]) => {
            replace(machine, text, from.as_str(), to.as_str())
        }
        (Function::Substring, [Val::Int(from)]) => substring(machine, text, *from, None),
        (Function::Substring, [Val::Int(from), Val::Int(to)]) => {
            substring(machine, text, *from, Some(*to))
        }
        _ => {
            let all = std::iter::once(value).chain(rest).cloned();
            refuse(function, &all.collect::<Vec<_>>())
        }
    }
}

fn matches<'a>(
    machine: &mut Machine<'a, '_>,
    text: &str,
    pattern: &str,
) -> Result<Val<'a>, Problem> {
    machine.pay(PATTERN_FUEL)?;
    machine.pay_text(pattern.len())?;
    machine.pay(MATCH_FUEL_PER_BYTE * text.len() as u64)?;
    let mut builder = RegexBuilder::new(pattern);
    let built = builder
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    match built {
        Ok(regex) => Ok(Val::Bool(regex.is_match(text))),
        Err(error) => Err(Problem::Pattern {
            message: shorten(&error.to_string()),
        }),
    }
}

fn split<'a>(
    machine: &mut Machine<'a, '_>,
    text: &str,
    separator: &str,
) -> Result<Val<'a>, Problem> {
    let mut parts = Vec::new();
    // Between characters there is one place less than the standard library counts.
    let characters = separator.is_empty();
    for part in text.split(separator) {
        if characters && part.is_empty() {
            continue;
        }
        machine.pay(1)?;
        parts.push(Val::made(part));
    }
    Ok(Val::List(parts.into()))
}

fn join<'a>(
    machine: &mut Machine<'a, '_>,
    list: &Val<'a>,
    separator: &str,
) -> Result<Val<'a>, Problem> {
    let mut text = String::new();
    for index in 0..list.len().unwrap_or(0) {
        machine.pay(1)?;
        match list.element(index) {
            Some(Val::Text(part)) => {
                if index > 0 {
                    text.push_str(separator);
                }
                text.push_str(part.as_str());
            }
            Some(other) => return Err(types("join", &[&other])),
            None => break,
        }
        if text.len() > VALUE_BYTES {
            return Err(Problem::TooLarge);
        }
    }
    machine.made(text)
}

fn replace<'a>(
    machine: &mut Machine<'a, '_>,
    text: &str,
    from: &str,
    to: &str,
) -> Result<Val<'a>, Problem> {
    let times = text.matches(from).count();
    let grown = text.len().saturating_add(times.saturating_mul(to.len()));
    if grown > VALUE_BYTES {
        return Err(Problem::TooLarge);
    }
    machine.made(text.replace(from, to))
}

/// From a character to one before another, both counted from 0.
fn substring<'a>(
    machine: &mut Machine<'a, '_>,
    text: &str,
    from: i128,
    to: Option<i128>,
) -> Result<Val<'a>, Problem> {
    let length = text.chars().count();
    let bound = |index: i128| {
        let index = usize::try_from(index).ok().filter(|index| *index <= length);
        index.ok_or(Problem::OutOfRange {
            operator: "substring",
        })
    };
    let from = bound(from)?;
    let to = to.map_or(Ok(length), bound)?;
    if from > to {
        return Err(Problem::OutOfRange {
            operator: "substring",
        });
    }
    machine.made(text.chars().skip(from).take(to - from).collect())
}
