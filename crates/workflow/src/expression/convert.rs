//! From values to JSON and to texts.

use serde_json::{Map, Number, Value};

use super::evaluate::Machine;
use super::problem::Problem;
use super::value::Val;

impl<'a> Val<'a> {
    /// The value as JSON. Every part of it costs.
    pub(crate) fn to_json(&self, machine: &mut Machine<'a, '_>) -> Result<Value, Problem> {
        machine.pay(1)?;
        Ok(match self {
            Val::Null => Value::Null,
            Val::Bool(value) => Value::Bool(*value),
            Val::Int(int) => Value::Number(whole(*int)),
            Val::Double(double) => match Number::from_f64(*double) {
                Some(number) => Value::Number(number),
                None => return Err(Problem::OutOfRange { operator: "JSON" }),
            },
            Val::Text(text) => {
                machine.pay_text(text.as_str().len())?;
                Value::String(text.as_str().to_owned())
            }
            Val::Items(_) | Val::List(_) => {
                let items = (0..self.len().unwrap_or(0)).filter_map(|index| self.element(index));
                let items = items.map(|item| item.to_json(machine));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Val::Members(members) => {
                let mut map = Map::new();
                for (key, value) in *members {
                    machine.pay_text(key.len())?;
                    map.insert(key.clone(), Val::of(value).to_json(machine)?);
                }
                Value::Object(map)
            }
            Val::Map(members) => {
                let mut map = Map::new();
                for (key, value) in members.iter() {
                    machine.pay_text(key.len())?;
                    map.insert(key.clone(), value.to_json(machine)?);
                }
                Value::Object(map)
            }
        })
    }

    /// The value inside of a text: texts as they are, anything else as compact JSON.
    pub(crate) fn to_text(&self, machine: &mut Machine<'a, '_>) -> Result<String, Problem> {
        match self {
            Val::Text(text) => {
                machine.pay_text(text.as_str().len())?;
                Ok(text.as_str().to_owned())
            }
            other => {
                let text = other.to_json(machine)?.to_string();
                machine.pay_text(text.len())?;
                Ok(text)
            }
        }
    }
}

fn whole(int: i128) -> Number {
    match (i64::try_from(int), u64::try_from(int)) {
        (Ok(int), _) => int.into(),
        (_, Ok(int)) => int.into(),
        // Beyond what any operator lets pass.
        _ => Number::from(0),
    }
}
