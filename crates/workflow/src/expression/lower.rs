//! From the syntax tree of the `cel` crate to ours. Whatever cannot work is refused here: names
//! that do not exist, functions, and what JSON does not know.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SelectExpr};
use cel::common::ast::{IdedExpr, operators as names};

use super::flaw::ExpressionFlaw;
use super::functions::Function;
use super::operators::Operator;
use super::parse::parse;
use super::refused::Refused;
use super::tree::{Constant, Expression, Tree, Uses, Variable};
use crate::limits::EXPRESSION_DEPTH;
use crate::nearest;

/// What an expression may refer to where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) parameters: &'a BTreeSet<&'a str>,
    pub(crate) steps: &'a BTreeMap<&'a str, usize>,
    /// Whether `outputs`, `steps` and `message` are known: not before a run has begun.
    pub(crate) in_run: bool,
    /// Whether `item` and `index` are known.
    pub(crate) in_element: bool,
}

/// Reads an expression.
pub(crate) fn lower(source: &str, names: Names<'_>) -> Result<Expression, Refused> {
    let parsed = parse(source)?;
    let mut lowering = Lowering {
        source,
        names,
        locals: Vec::new(),
        uses: Uses::default(),
    };
    let tree = lowering.tree(&parsed, 0)?;
    Ok(Expression {
        source: source.into(),
        tree,
        uses: lowering.uses,
    })
}

pub(super) struct Lowering<'a> {
    pub(super) source: &'a str,
    pub(super) names: Names<'a>,
    /// The variables of the loops around, innermost last.
    pub(super) locals: Vec<String>,
    uses: Uses,
}

impl Lowering<'_> {
    pub(super) fn tree(&mut self, expr: &IdedExpr, depth: usize) -> Result<Tree, Refused> {
        if depth > EXPRESSION_DEPTH {
            let limit = EXPRESSION_DEPTH;
            return Err((ExpressionFlaw::TooDeep { limit }, None));
        }
        let depth = depth + 1;
        match &expr.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) if list.optional_indices.is_empty() => {
                let items = list.elements.iter().map(|item| self.tree(item, depth));
                Ok(Tree::List(items.collect::<Result<_, _>>()?))
            }
            Expr::Map(map) => {
                let mut members = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) if !entry.optional => members.push([
                            self.tree(&entry.key, depth)?,
                            self.tree(&entry.value, depth)?,
                        ]),
                        _ => return Err(self.unsupported("an optional")),
                    }
                }
                Ok(Tree::Map(members))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::List(_) => Err(self.unsupported("an optional")),
            Expr::Struct(_) => Err(self.unsupported("a struct")),
            Expr::Unspecified => Err(self.unsupported("an empty part")),
        }
    }

    fn literal(&self, literal: &LiteralValue) -> Result<Tree, Refused> {
        Ok(Tree::Constant(match literal {
            LiteralValue::Null => Constant::Null,
            LiteralValue::Boolean(value) => Constant::Bool(*value.inner()),
            LiteralValue::Int(value) => Constant::Int((*value.inner()).into()),
            LiteralValue::UInt(value) => Constant::Int((*value.inner()).into()),
            LiteralValue::Double(value) => Constant::Double(*value.inner()),
            LiteralValue::String(text) => Constant::Text(text.inner().into()),
            LiteralValue::Bytes(_) => return Err(self.unsupported("bytes")),
        }))
    }

    /// A name that stands alone.
    fn name(&mut self, name: &str) -> Result<Tree, Refused> {
        if let Some(place) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Tree::Local(place));
        }
        let variable = match name {
            "params" => Variable::Params,
            "message" if self.names.in_run => {
                self.uses.message = true;
                Variable::Message
            }
            "item" if self.names.in_element => Variable::Item,
            "index" if self.names.in_element => Variable::Index,
            "outputs" | "steps" if self.names.in_run => {
                let what = format!("`{name}` as a whole");
                let hint = format!("name a step: `{name}.ID`, or `{name}[\"ID\"]`");
                return Err((self.unsupported(&what).0, Some(hint)));
            }
            "run" => {
                let hint = "`run.id`, `run.workflow` or `run.version`".to_owned();
                return Err((self.unsupported("`run` as a whole").0, Some(hint)));
            }
            _ => return Err(self.unknown_variable(name)),
        };
        Ok(Tree::Variable(variable))
    }

    fn select(&mut self, select: &SelectExpr, depth: usize) -> Result<Tree, Refused> {
        let (operand, field) = (&*select.operand, select.field.as_str());
        if let Some(tree) = self.reserved(operand, field, select.test)? {
            return Ok(tree);
        }
        let inner = Box::new(self.tree(operand, depth)?);
        Ok(match select.test {
            true => Tree::Has(inner, field.into()),
            false => Tree::Member(inner, field.into()),
        })
    }

    /// A member of one of our own variables, whose members are known beforehand; none when it is
    /// something else.
    fn reserved(
        &mut self,
        operand: &IdedExpr,
        field: &str,
        test: bool,
    ) -> Result<Option<Tree>, Refused> {
        if let Some(step) = self.step_reference(operand, "steps")? {
            let tree = match field {
                "state" if test => Tree::Constant(Constant::Bool(true)),
                "state" => {
                    self.uses.states.insert(step);
                    Tree::Variable(Variable::State(step))
                }
                _ => {
                    let what = format!("`{}` of a step", nearest::shorten(field));
                    let hint = Some("only its `state` is known".to_owned());
                    return Err((self.unsupported(&what).0, hint));
                }
            };
            return Ok(Some(tree));
        }
        let Expr::Ident(name) = &operand.expr else {
            return Ok(None);
        };
        if self.locals.contains(name) {
            return Ok(None);
        }
        let variable = match (name.as_str(), field) {
            ("params", _) => {
                self.check_parameter(field)?;
                return Ok(None);
            }
            ("outputs", _) if self.names.in_run => {
                let step = self.step(field)?;
                self.uses.outputs.insert(step);
                return Ok(Some(match test {
                    true => Tree::HasOutput(step),
                    false => Tree::Variable(Variable::Output(step)),
                }));
            }
            ("run", "id") => Variable::RunId,
            ("run", "workflow") => Variable::RunWorkflow,
            ("run", "version") => Variable::RunVersion,
            ("run", _) => return Err(self.unknown_variable(&format!("run.{field}"))),
            ("steps", _) if self.names.in_run => {
                self.step(field)?;
                let what = format!("`steps.{field}` as a whole");
                let hint = format!("did you mean `steps.{field}.state`?");
                return Err((self.unsupported(&what).0, Some(hint)));
            }
            _ => return Ok(None),
        };
        Ok(Some(match test {
            true => Tree::Constant(Constant::Bool(true)),
            false => Tree::Variable(variable),
        }))
    }

    /// The step that `NAME.ID` or `NAME["ID"]` names.
    fn step_reference(&self, expr: &IdedExpr, name: &str) -> Result<Option<usize>, Refused> {
        let is_name = |expr: &IdedExpr| {
            let known = self.names.in_run && !self.locals.iter().any(|local| local == name);
            known && matches!(&expr.expr, Expr::Ident(ident) if ident == name)
        };
        match &expr.expr {
            Expr::Select(select) if !select.test && is_name(&select.operand) => {
                self.step(&select.field).map(Some)
            }
            Expr::Call(call) if call.func_name == names::INDEX && is_name(&call.args[0]) => {
                match literal_text(&call.args[1]) {
                    Some(id) => self.step(id).map(Some),
                    None => {
                        let what = format!("`{name}[...]` with something else than a text");
                        Err(self.unsupported(&what))
                    }
                }
            }
            _ => Ok(None),
        }
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Result<Tree, Refused> {
        let name = call.func_name.as_str();
        if name == names::INDEX {
            return self.index(call, depth);
        }
        if let (names::IN, [id, outputs]) = (name, call.args.as_slice())
            && let Some(id) = literal_text(id)
            && matches!(&outputs.expr, Expr::Ident(name) if name == "outputs")
            && self.names.in_run
        {
            let step = self.step(id)?;
            self.uses.outputs.insert(step);
            return Ok(Tree::HasOutput(step));
        }
        if let Some(function) = Function::find(name, call.target.as_deref().map(root_name)) {
            return self.function(function, call, depth);
        }
        if let Some(operator) = Operator::find(name) {
            let pair = self.trees(call, depth)?;
            return Ok(Tree::Binary(operator, Box::new(pair)));
        }
        Ok(match name {
            names::CONDITIONAL => Tree::If(Box::new(self.trees(call, depth)?)),
            names::LOGICAL_AND => Tree::And(Box::new(self.trees(call, depth)?)),
            names::LOGICAL_OR => Tree::Or(Box::new(self.trees(call, depth)?)),
            names::LOGICAL_NOT => {
                let [inner] = self.trees(call, depth)?;
                Tree::Not(Box::new(inner))
            }
            names::NEGATE => {
                let [inner] = self.trees(call, depth)?;
                Tree::Negate(Box::new(inner))
            }
            _ => return Err(self.unknown_function(name)),
        })
    }

    /// The operands of an operator, as many as it has.
    fn trees<const N: usize>(
        &mut self,
        call: &CallExpr,
        depth: usize,
    ) -> Result<[Tree; N], Refused> {
        let operands = call.args.iter().map(|arg| self.tree(arg, depth));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        operands
            .try_into()
            .map_err(|_| self.unsupported("an operator without its operands"))
    }

    fn index(&mut self, call: &CallExpr, depth: usize) -> Result<Tree, Refused> {
        let [operand, index] = call.args.as_slice() else {
            return Err(self.unsupported("an index without a value"));
        };
        if let Some(id) = literal_text(index)
            && let Some(tree) = self.reserved(operand, id, false)?
        {
            return Ok(tree);
        }
        let pair = [self.tree(operand, depth)?, self.tree(index, depth)?];
        Ok(Tree::Index(Box::new(pair)))
    }

    fn function(
        &mut self,
        function: Function,
        call: &CallExpr,
        depth: usize,
    ) -> Result<Tree, Refused> {
        let receiver = call.target.as_deref().filter(|_| function.takes_receiver());
        let args = receiver.into_iter().chain(&call.args);
        let args = args.map(|arg| self.tree(arg, depth));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let (least, most, expected) = function.arguments();
        if !(least..=most).contains(&args.len()) {
            let flaw = ExpressionFlaw::Arguments {
                name: function.name(),
                expected,
                got: call.args.len(),
                source_text: nearest::shorten(self.source),
            };
            return Err((flaw, None));
        }
        Ok(Tree::Call(function, args))
    }

    fn step(&self, id: &str) -> Result<usize, Refused> {
        self.names.steps.get(id).copied().ok_or_else(|| {
            let flaw = ExpressionFlaw::UnknownStep {
                name: nearest::shorten(id),
                source_text: nearest::shorten(self.source),
            };
            let hint = nearest::hint(id, self.names.steps.keys().copied());
            (flaw, hint)
        })
    }

    fn check_parameter(&self, name: &str) -> Result<(), Refused> {
        if self.names.parameters.contains(name) {
            return Ok(());
        }
        let flaw = ExpressionFlaw::UnknownParameter {
            name: nearest::shorten(name),
            source_text: nearest::shorten(self.source),
        };
        let hint = nearest::hint(name, self.names.parameters.iter().copied());
        Err((flaw, hint))
    }
}

fn literal_text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The name that a call's target is, such as `lists` in `lists.range(3)`; empty for anything else.
fn root_name(target: &IdedExpr) -> &str {
    match &target.expr {
        Expr::Ident(name) => name,
        _ => "",
    }
}
