//! The evaluation of one expression. It ends: every part costs fuel.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::functions;
use super::operators::{self, Operator};
use super::problem::Problem;
use super::tree::{Body, Constant, Expression, Loop, Tree, Variable};
use super::value::{Text, Val};
use crate::limits::{BYTES_PER_FUEL, FUEL, VALUE_BYTES};

/// Where an evaluation finds what comes from outside.
pub(crate) trait Variables<'a> {
    /// The value of a variable.
    fn value(&self, variable: Variable) -> Result<Val<'a>, Problem>;
    /// Whether a step has an output.
    fn has_output(&self, step: usize) -> bool;
}

/// Evaluates expressions, one after the other, on one tank of fuel.
pub(crate) struct Machine<'a, 'v> {
    variables: &'v dyn Variables<'a>,
    locals: Vec<Val<'a>>,
    fuel: u64,
}

impl<'a, 'v> Machine<'a, 'v> {
    pub(crate) fn new(variables: &'v dyn Variables<'a>) -> Machine<'a, 'v> {
        Machine {
            variables,
            locals: Vec::new(),
            fuel: FUEL,
        }
    }

    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Result<Val<'a>, Problem> {
        self.locals.clear();
        self.tree(&expression.tree)
    }

    /// Pays for something.
    pub(super) fn pay(&mut self, fuel: u64) -> Result<(), Problem> {
        match self.fuel.checked_sub(fuel) {
            Some(rest) => {
                self.fuel = rest;
                Ok(())
            }
            None => {
                self.fuel = 0;
                Err(Problem::TooCostly)
            }
        }
    }

    /// Pays for reading or making a text.
    pub(super) fn pay_text(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes > VALUE_BYTES {
            return Err(Problem::TooLarge);
        }
        self.pay(bytes as u64 / BYTES_PER_FUEL)
    }

    /// Pays for a value that is read as a whole when it is a text.
    pub(super) fn pay_read(&mut self, value: &Val<'a>) -> Result<(), Problem> {
        match value {
            Val::Text(text) => self.pay_text(text.as_str().len()),
            _ => Ok(()),
        }
    }

    pub(super) fn made(&mut self, text: String) -> Result<Val<'a>, Problem> {
        self.pay_text(text.len())?;
        Ok(Val::made(text))
    }

    fn tree(&mut self, tree: &Tree) -> Result<Val<'a>, Problem> {
        self.pay(1)?;
        match tree {
            Tree::Constant(constant) => self.constant(constant),
            Tree::Variable(variable) => self.variables.value(*variable),
            Tree::Local(place) => Ok(self.locals[*place].clone()),
            Tree::Member(inner, name) => {
                let value = self.tree(inner)?;
                member(&value, name)
            }
            Tree::Has(inner, name) => {
                let value = self.tree(inner)?;
                match value.is_map() {
                    true => Ok(Val::Bool(value.member(name).is_some())),
                    false => Err(types("has", &[&value])),
                }
            }
            Tree::HasOutput(step) => Ok(Val::Bool(self.variables.has_output(*step))),
            Tree::Index(pair) => {
                let value = self.tree(&pair[0])?;
                let index = self.tree(&pair[1])?;
                self.pay_read(&index)?;
                element(&value, &index)
            }
            Tree::List(items) => {
                let items = items.iter().map(|item| self.tree(item));
                Ok(Val::List(items.collect::<Result<Rc<[_]>, _>>()?))
            }
            Tree::Map(members) => self.map(members),
            Tree::Not(inner) => Ok(Val::Bool(!self.boolean(inner, "!")?)),
            Tree::Negate(inner) => {
                let value = self.tree(inner)?;
                operators::negate(&value)
            }
            Tree::And(pair) => self.logic(pair, "&&", false),
            Tree::Or(pair) => self.logic(pair, "||", true),
            Tree::If(parts) => match self.boolean(&parts[0], "? :")? {
                true => self.tree(&parts[1]),
                false => self.tree(&parts[2]),
            },
            Tree::Binary(operator, pair) => self.binary(*operator, pair),
            Tree::Call(function, args) => {
                let args = args.iter().map(|arg| self.tree(arg));
                let args = args.collect::<Result<Vec<_>, _>>()?;
                functions::call(self, *function, &args)
            }
            Tree::Loop(it) => self.run_loop(it),
        }
    }

    fn constant(&mut self, constant: &Constant) -> Result<Val<'a>, Problem> {
        match constant {
            Constant::Null => Ok(Val::Null),
            Constant::Bool(value) => Ok(Val::Bool(*value)),
            Constant::Int(value) => Ok(Val::Int(*value)),
            Constant::Double(value) => Ok(Val::Double(*value)),
            Constant::Text(text) => {
                self.pay_text(text.len())?;
                Ok(Val::made(&**text))
            }
        }
    }

    fn map(&mut self, members: &[[Tree; 2]]) -> Result<Val<'a>, Problem> {
        let mut map = BTreeMap::new();
        for [key, value] in members {
            let key = self.tree(key)?;
            let Val::Text(key) = &key else {
                let (expected, got) = ("a string as key of a map", key.kind());
                return Err(Problem::Expected { expected, got });
            };
            self.pay_text(key.as_str().len())?;
            let key = key.as_str().to_owned();
            let value = self.tree(value)?;
            if map.contains_key(&key) {
                return Err(Problem::DuplicateKey { key });
            }
            map.insert(key, value);
        }
        Ok(Val::Map(Rc::new(map)))
    }

    fn boolean(&mut self, tree: &Tree, operator: &'static str) -> Result<bool, Problem> {
        match self.tree(tree)? {
            Val::Bool(value) => Ok(value),
            other => Err(types(operator, &[&other])),
        }
    }

    /// `&&` and `||`: one side that decides makes good what goes wrong on the other.
    fn logic(
        &mut self,
        pair: &[Tree; 2],
        operator: &'static str,
        decides: bool,
    ) -> Result<Val<'a>, Problem> {
        let left = self.boolean(&pair[0], operator);
        match left {
            Ok(value) if value == decides => return Ok(Val::Bool(decides)),
            Err(problem) if problem.is_final() => return Err(problem),
            _ => {}
        }
        let right = self.boolean(&pair[1], operator);
        match (left, right) {
            (_, Err(problem)) if problem.is_final() => Err(problem),
            (_, Ok(value)) if value == decides => Ok(Val::Bool(decides)),
            (Err(problem), _) | (_, Err(problem)) => Err(problem),
            (Ok(_), Ok(value)) => Ok(Val::Bool(value)),
        }
    }

    fn binary(&mut self, operator: Operator, pair: &[Tree; 2]) -> Result<Val<'a>, Problem> {
        let left = self.tree(&pair[0])?;
        let right = self.tree(&pair[1])?;
        operators::apply(self, operator, &left, &right)
    }

    fn run_loop(&mut self, it: &Loop) -> Result<Val<'a>, Problem> {
        let over = self.tree(&it.over)?;
        // Keys are listed before the first one is visited.
        if over.is_map() {
            self.pay(over.len().unwrap_or(0) as u64)?;
        }
        let Some(visited) = over.visited() else {
            let (expected, got) = ("a list or map to go over", over.kind());
            return Err(Problem::Expected { expected, got });
        };
        let place = self.locals.len();
        self.locals.push(Val::Null);
        let mut tally = Tally::default();
        let mut ended = Ok(());
        for index in 0..visited.len() {
            let Some(element) = visited.get(index) else {
                break;
            };
            self.locals.truncate(place + 1);
            self.locals[place] = element;
            ended = self.visit(&it.body, &mut tally);
            if ended.is_err() || tally.decided {
                break;
            }
        }
        self.locals.truncate(place);
        ended?;
        tally.result(&it.body)
    }

    /// Evaluates a loop's body for one element.
    fn visit(&mut self, body: &Body, tally: &mut Tally<'a>) -> Result<(), Problem> {
        match body {
            Body::All(test) => self.decide(test, "all", false, tally),
            Body::Exists(test) => self.decide(test, "exists", true, tally),
            Body::ExistsOne(test) => {
                tally.count += usize::from(self.boolean(test, "exists_one")?);
                Ok(())
            }
            Body::Collect { when, value } => {
                let taken = match when {
                    Some(test) => self.boolean(test, "filter")?,
                    None => true,
                };
                if taken {
                    let value = self.tree(value)?;
                    tally.collected.push(value);
                }
                Ok(())
            }
        }
    }

    /// One element of `all` or `exists`: a later one that decides makes good what goes wrong here.
    fn decide(
        &mut self,
        test: &Tree,
        operator: &'static str,
        decides: bool,
        tally: &mut Tally<'a>,
    ) -> Result<(), Problem> {
        match self.boolean(test, operator) {
            Ok(value) => tally.decided = value == decides,
            Err(problem) if problem.is_final() => return Err(problem),
            Err(problem) => tally.problem = Some(problem),
        }
        Ok(())
    }
}

/// What a loop has found so far.
#[derive(Default)]
struct Tally<'a> {
    decided: bool,
    count: usize,
    collected: Vec<Val<'a>>,
    problem: Option<Problem>,
}

impl<'a> Tally<'a> {
    fn result(self, body: &Body) -> Result<Val<'a>, Problem> {
        if self.decided {
            return Ok(Val::Bool(matches!(body, Body::Exists(_))));
        }
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        Ok(match body {
            Body::All(_) => Val::Bool(true),
            Body::Exists(_) => Val::Bool(false),
            Body::ExistsOne(_) => Val::Bool(self.count == 1),
            Body::Collect { .. } => Val::List(self.collected.into()),
        })
    }
}

fn member<'a>(value: &Val<'a>, name: &str) -> Result<Val<'a>, Problem> {
    if !value.is_map() {
        let (expected, got) = ("a map to take a member of", value.kind());
        return Err(Problem::Expected { expected, got });
    }
    value.member(name).ok_or_else(|| Problem::NoMember {
        member: crate::nearest::shorten(name),
        members: value.len().unwrap_or(0),
    })
}

fn element<'a>(value: &Val<'a>, index: &Val<'a>) -> Result<Val<'a>, Problem> {
    let at = match index {
        Val::Text(Text::Given(name)) => return member(value, name),
        Val::Text(Text::Made(name)) => return member(value, name),
        Val::Int(at) => *at,
        // As in JSON, 1.0 is 1.
        Val::Double(at) if at.fract() == 0.0 => *at as i128,
        other => return Err(types("[ ]", &[value, other])),
    };
    if !value.is_list() {
        return Err(types("[ ]", &[value, index]));
    }
    let found = usize::try_from(at).ok().and_then(|at| value.element(at));
    found.ok_or_else(|| Problem::NoElement {
        index: at.to_string(),
        length: value.len().unwrap_or(0),
    })
}

/// A refusal of values by their types.
pub(super) fn types(operator: &'static str, values: &[&Val<'_>]) -> Problem {
    let types = values.iter().map(|value| value.kind()).collect();
    Problem::Types { operator, types }
}
