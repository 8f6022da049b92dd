//! What a run is given, against what its workflow asks for.

use std::fmt;

use serde_json::{Map, Value};

use crate::definition::{Parameter, ParameterType};
use crate::limits::RUN_VALUE_BYTES;
use crate::nearest;
use crate::workflow::Workflow;

/// Parameters that are refused. No run is started.
#[derive(Clone, PartialEq, Debug)]
pub struct ParameterRefusal {
    /// Every fault that was found.
    pub faults: Vec<ParameterFault>,
}

/// What is wrong with a parameter.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ParameterFault {
    /// A parameter that the workflow does not have.
    #[error("there is no parameter {name:?}")]
    Unknown {
        /// What came.
        name: String,
        /// The one that is spelled most like it.
        nearest: Option<String>,
    },
    /// A parameter without a default that was not given.
    #[error("the parameter {name:?} is required: {expected}")]
    Missing {
        /// The parameter.
        name: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A value of another type.
    #[error("the parameter {name:?} must be {expected}, got {got}")]
    WrongType {
        /// The parameter.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// What came, shortened.
        got: String,
    },
    /// A value that is none of those which are taken.
    #[error("the parameter {name:?} must be one of {}, got {got}", choices.join(", "))]
    NotChosen {
        /// The parameter.
        name: String,
        /// What it takes, shortened.
        choices: Vec<String>,
        /// What came, shortened.
        got: String,
    },
    /// All parameters together are too large.
    #[error("the parameters have {got} bytes, the limit is {limit}")]
    TooLarge {
        /// The most.
        limit: usize,
        /// What came.
        got: usize,
    },
}

impl Workflow {
    /// The parameters of a run: what it was given, and the defaults for the rest, in the order of
    /// the definition.
    pub fn parameters(&self, given: &Map<String, Value>) -> Result<Value, ParameterRefusal> {
        let known = &self.definition().parameters;
        let mut faults = Vec::new();
        for name in given.keys() {
            if !known.iter().any(|(known, _)| known == name) {
                let names = known.iter().map(|(name, _)| name.as_str());
                faults.push(ParameterFault::Unknown {
                    name: nearest::shorten(name),
                    nearest: nearest::nearest(name, names).map(str::to_owned),
                });
            }
        }
        let mut values = Map::new();
        for (name, parameter) in known {
            match (given.get(name), &parameter.default) {
                (Some(value), _) => match fault(name, parameter, value) {
                    None => drop(values.insert(name.clone(), value.clone())),
                    Some(fault) => faults.push(fault),
                },
                (None, Some(default)) => drop(values.insert(name.clone(), default.clone())),
                (None, None) => faults.push(ParameterFault::Missing {
                    name: name.clone(),
                    expected: description(parameter.kind),
                }),
            }
        }
        let values = Value::Object(values);
        let got = values.to_string().len();
        if got > RUN_VALUE_BYTES {
            let limit = RUN_VALUE_BYTES;
            faults.push(ParameterFault::TooLarge { limit, got });
        }
        match faults.is_empty() {
            true => Ok(values),
            false => Err(ParameterRefusal { faults }),
        }
    }
}

fn fault(name: &str, parameter: &Parameter, value: &Value) -> Option<ParameterFault> {
    let (name, got) = (name.to_owned(), nearest::shown(value));
    if !fits(parameter.kind, value) {
        let expected = description(parameter.kind);
        return Some(ParameterFault::WrongType {
            name,
            expected,
            got,
        });
    }
    if !parameter.choices.is_empty() && !parameter.choices.contains(value) {
        let choices = parameter.choices.iter().map(nearest::shown).collect();
        return Some(ParameterFault::NotChosen { name, choices, got });
    }
    None
}

/// Whether a value is of a type. `2.0` is a whole number, too: JSON does not tell it from `2`.
pub(crate) fn fits(kind: ParameterType, value: &Value) -> bool {
    match kind {
        ParameterType::String => value.is_string(),
        ParameterType::Boolean => value.is_boolean(),
        ParameterType::List => value.is_array(),
        ParameterType::Object => value.is_object(),
        ParameterType::Number => value.is_number(),
        ParameterType::Integer => {
            let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
            value.is_i64() || value.is_u64() || whole
        }
    }
}

/// What a type takes, as messages say it.
pub(crate) fn description(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::String => "a text",
        ParameterType::Integer => "a whole number",
        ParameterType::Number => "a number",
        ParameterType::Boolean => "true or false",
        ParameterType::List => "a list",
        ParameterType::Object => "an object",
    }
}

impl fmt::Display for ParameterRefusal {
    /// A fault a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
            if let ParameterFault::Unknown {
                nearest: Some(nearest),
                ..
            } = fault
            {
                write!(f, "; did you mean `{nearest}`?")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ParameterRefusal {}
