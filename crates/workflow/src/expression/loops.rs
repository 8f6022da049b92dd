//! The macros, recognised by what the `cel` crate has expanded them to: a loop with a result that
//! each element may alter.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, operators as names};

use super::lower::Lowering;
use super::refused::Refused;
use super::tree::{Body, Loop, Tree};

impl Lowering<'_> {
    pub(super) fn comprehension(
        &mut self,
        it: &ComprehensionExpr,
        depth: usize,
    ) -> Result<Tree, Refused> {
        let over = self.tree(&it.iter_range, depth)?;
        self.locals.push(it.iter_var.clone());
        let body = self.body(it, depth);
        self.locals.pop();
        Ok(Tree::Loop(Box::new(Loop { over, body: body? })))
    }

    fn body(&mut self, it: &ComprehensionExpr, depth: usize) -> Result<Body, Refused> {
        let is_result =
            |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(name) if *name == it.accu_var);
        let Expr::Call(step) = &it.loop_step.expr else {
            return Err(self.unsupported("an unknown macro"));
        };
        match (step.func_name.as_str(), step.args.as_slice()) {
            (names::LOGICAL_AND, [_, test]) => Ok(Body::All(self.tree(test, depth)?)),
            (names::LOGICAL_OR, [_, test]) => Ok(Body::Exists(self.tree(test, depth)?)),
            (names::ADD, [result, added]) if is_result(result) => {
                let value = self.collected(added, depth)?;
                Ok(Body::Collect { when: None, value })
            }
            (names::CONDITIONAL, [test, taken, _]) => {
                let test = self.tree(test, depth)?;
                let Expr::Call(add) = &taken.expr else {
                    return Err(self.unsupported("an unknown macro"));
                };
                match add.args.as_slice() {
                    [_, added] if matches!(added.expr, Expr::List(_)) => Ok(Body::Collect {
                        when: Some(test),
                        value: self.collected(added, depth)?,
                    }),
                    _ => Ok(Body::ExistsOne(test)),
                }
            }
            _ => Err(self.unsupported("an unknown macro")),
        }
    }

    /// The one element of the list that a loop adds to its result.
    fn collected(&mut self, added: &IdedExpr, depth: usize) -> Result<Tree, Refused> {
        match &added.expr {
            Expr::List(list) if list.elements.len() == 1 => self.tree(&list.elements[0], depth),
            _ => Err(self.unsupported("an unknown macro")),
        }
    }
}
