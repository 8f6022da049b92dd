//! Operators with two sides. Whole and floating numbers mix, because JSON does not tell them apart.

use std::cmp::Ordering;
use std::rc::Rc;

use cel::common::ast::operators as names;

use super::evaluate::{Machine, types};
use super::problem::Problem;
use super::value::Val;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

impl Operator {
    /// The operator of a syntax tree's call.
    pub(super) fn find(name: &str) -> Option<Operator> {
        Some(match name {
            names::ADD => Operator::Add,
            names::SUBSTRACT => Operator::Subtract,
            names::MULTIPLY => Operator::Multiply,
            names::DIVIDE => Operator::Divide,
            names::MODULO => Operator::Remainder,
            names::EQUALS => Operator::Equal,
            names::NOT_EQUALS => Operator::NotEqual,
            names::LESS => Operator::Less,
            names::LESS_EQUALS => Operator::LessEqual,
            names::GREATER => Operator::Greater,
            names::GREATER_EQUALS => Operator::GreaterEqual,
            names::IN => Operator::In,
            _ => return None,
        })
    }

    fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::In => "in",
        }
    }
}

pub(super) fn apply<'a>(
    machine: &mut Machine<'a, '_>,
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<Val<'a>, Problem> {
    match operator {
        Operator::Equal => Ok(Val::Bool(equal(machine, left, right)?)),
        Operator::NotEqual => Ok(Val::Bool(!equal(machine, left, right)?)),
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            order(machine, operator, left, right)
        }
        Operator::In => contains(machine, left, right),
        Operator::Add if left.is_list() && right.is_list() => join_lists(machine, left, right),
        Operator::Add => match (left, right) {
            (Val::Text(left), Val::Text(right)) => {
                let text = [left.as_str(), right.as_str()].concat();
                machine.made(text)
            }
            _ => calculate(operator, left, right),
        },
        _ => calculate(operator, left, right),
    }
}

pub(super) fn negate<'a>(value: &Val<'a>) -> Result<Val<'a>, Problem> {
    match value {
        Val::Int(value) => int(-*value, "-"),
        Val::Double(value) => Ok(Val::Double(-*value)),
        other => Err(types("-", &[other])),
    }
}

/// A whole number that JSON can carry.
pub(super) fn int<'a>(value: i128, operator: &'static str) -> Result<Val<'a>, Problem> {
    match (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
        true => Ok(Val::Int(value)),
        false => Err(Problem::OutOfRange { operator }),
    }
}

fn calculate<'a>(operator: Operator, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Problem> {
    let symbol = operator.symbol();
    match (left, right) {
        // Both are within 65 bits, so nothing here overflows 128.
        (Val::Int(left), Val::Int(right)) => {
            if matches!(operator, Operator::Divide | Operator::Remainder) && *right == 0 {
                return Err(Problem::ByZero { operator: symbol });
            }
            let result = match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left.saturating_mul(*right),
                Operator::Divide => left / right,
                _ => left % right,
            };
            int(result, symbol)
        }
        _ => {
            let (Some(a), Some(b)) = (number(left), number(right)) else {
                return Err(types(symbol, &[left, right]));
            };
            Ok(Val::Double(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                // CEL has no remainder of floating numbers.
                _ => return Err(types(symbol, &[left, right])),
            }))
        }
    }
}

fn number(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(value) => Some(*value as f64),
        Val::Double(value) => Some(*value),
        _ => None,
    }
}

fn join_lists<'a>(
    machine: &mut Machine<'a, '_>,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<Val<'a>, Problem> {
    let lengths = [left, right].map(|list| list.len().unwrap_or(0));
    machine.pay(lengths.iter().sum::<usize>() as u64)?;
    let elements = |list: &Val<'a>| {
        let list = list.clone();
        (0..).map_while(move |index| list.element(index))
    };
    let joined: Rc<[Val<'a>]> = elements(left).chain(elements(right)).collect();
    Ok(Val::List(joined))
}

fn order<'a>(
    machine: &mut Machine<'a, '_>,
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<Val<'a>, Problem> {
    machine.pay_read(left)?;
    let Some(compared) = compare(left, right) else {
        return Err(types(operator.symbol(), &[left, right]));
    };
    // What is not a number is neither less nor greater.
    Ok(Val::Bool(compared.is_some_and(|ordering| match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    })))
}

/// How two values of one order compare; none when they have none in common.
fn compare(left: &Val<'_>, right: &Val<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Val::Text(left), Val::Text(right)) => Some(Some(left.as_str().cmp(right.as_str()))),
        (Val::Bool(left), Val::Bool(right)) => Some(Some(left.cmp(right))),
        _ => compare_numbers(left, right),
    }
}

fn compare_numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => Some(Some(left.cmp(right))),
        _ => Some(number(left)?.partial_cmp(&number(right)?)),
    }
}

fn contains<'a>(
    machine: &mut Machine<'a, '_>,
    wanted: &Val<'a>,
    container: &Val<'a>,
) -> Result<Val<'a>, Problem> {
    if container.is_map() {
        machine.pay_read(wanted)?;
        return match wanted {
            Val::Text(key) => Ok(Val::Bool(container.member(key.as_str()).is_some())),
            // Keys as well in CEL, but never in JSON.
            Val::Bool(_) | Val::Int(_) | Val::Double(_) => Ok(Val::Bool(false)),
            other => Err(types("in", &[other, container])),
        };
    }
    if !container.is_list() {
        return Err(types("in", &[wanted, container]));
    }
    for index in 0..container.len().unwrap_or(0) {
        let Some(element) = container.element(index) else {
            break;
        };
        if equal(machine, wanted, &element)? {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

/// Whether two values are the same; values of different types are not.
pub(super) fn equal<'a>(
    machine: &mut Machine<'a, '_>,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<bool, Problem> {
    machine.pay(1)?;
    match (left, right) {
        (Val::Null, Val::Null) => Ok(true),
        (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
        (Val::Text(left), Val::Text(right)) => {
            machine.pay_text(left.as_str().len().min(right.as_str().len()))?;
            Ok(left.as_str() == right.as_str())
        }
        _ if left.is_list() && right.is_list() => equal_lists(machine, left, right),
        _ if left.is_map() && right.is_map() => equal_maps(machine, left, right),
        _ => Ok(compare_numbers(left, right) == Some(Some(Ordering::Equal))),
    }
}

fn equal_lists<'a>(
    machine: &mut Machine<'a, '_>,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<bool, Problem> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for index in 0.. {
        match (left.element(index), right.element(index)) {
            (Some(left), Some(right)) => {
                if !equal(machine, &left, &right)? {
                    return Ok(false);
                }
            }
            _ => break,
        }
    }
    Ok(true)
}

fn equal_maps<'a>(
    machine: &mut Machine<'a, '_>,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<bool, Problem> {
    if left.len() != right.len() {
        return Ok(false);
    }
    machine.pay(left.len().unwrap_or(0) as u64)?;
    let Some(keys) = left.visited() else {
        return Ok(false);
    };
    for index in 0..keys.len() {
        let Some(Val::Text(key)) = keys.get(index) else {
            break;
        };
        match (left.member(key.as_str()), right.member(key.as_str())) {
            (Some(left), Some(right)) if equal(machine, &left, &right)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
