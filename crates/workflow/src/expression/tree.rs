//! Expressions as they are evaluated: names are resolved, macros are loops.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::functions::Function;
use super::operators::Operator;
use crate::document::Place;

/// An expression that can be evaluated.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) source: Box<str>,
    pub(crate) tree: Tree,
    pub(crate) uses: Uses,
}

/// An expression where it stands. The same expression may stand in many places.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) expression: Arc<Expression>,
    pub(crate) path: Box<str>,
    pub(crate) place: Place,
}

/// What an expression refers to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Uses {
    /// Steps whose outputs it reads.
    pub(crate) outputs: BTreeSet<usize>,
    /// Steps whose states it reads.
    pub(crate) states: BTreeSet<usize>,
    pub(crate) message: bool,
}

/// What comes from outside of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variable {
    Params,
    Message,
    RunId,
    RunWorkflow,
    RunVersion,
    Item,
    Index,
    /// The output of a step.
    Output(usize),
    /// The state of a step.
    State(usize),
}

#[derive(Debug)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i128),
    Double(f64),
    Text(Box<str>),
}

#[derive(Debug)]
pub(crate) enum Tree {
    Constant(Constant),
    Variable(Variable),
    /// A loop's variable, counted from the outermost loop.
    Local(usize),
    Member(Box<Tree>, Box<str>),
    /// Whether a map has a member.
    Has(Box<Tree>, Box<str>),
    /// Whether a step has an output.
    HasOutput(usize),
    Index(Box<[Tree; 2]>),
    List(Vec<Tree>),
    Map(Vec<[Tree; 2]>),
    Not(Box<Tree>),
    Negate(Box<Tree>),
    And(Box<[Tree; 2]>),
    Or(Box<[Tree; 2]>),
    If(Box<[Tree; 3]>),
    Binary(Operator, Box<[Tree; 2]>),
    Call(Function, Vec<Tree>),
    Loop(Box<Loop>),
}

/// A macro over the elements of a list, or the keys of a map.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) over: Tree,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    All(Tree),
    Exists(Tree),
    ExistsOne(Tree),
    /// `map` and `filter`: what is kept, and of which elements.
    Collect {
        when: Option<Tree>,
        value: Tree,
    },
}
