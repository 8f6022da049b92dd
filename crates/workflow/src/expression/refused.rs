//! How the reader of expressions refuses.

use super::flaw::ExpressionFlaw;
use super::functions::Function;
use super::lower::Lowering;
use crate::nearest;

/// A flaw and what to do about it.
pub(crate) type Refused = (ExpressionFlaw, Option<String>);

impl Lowering<'_> {
    pub(super) fn unknown_variable(&self, name: &str) -> Refused {
        let mut known = vec!["params", "run.id", "run.workflow", "run.version"];
        if self.names.in_run {
            known.extend(["outputs", "steps", "message"]);
        }
        if self.names.in_element {
            known.extend(["item", "index"]);
        }
        let hint = nearest::hint(name, known.iter().copied());
        let flaw = ExpressionFlaw::UnknownVariable {
            name: nearest::shorten(name),
            expected: known.join(", "),
            source_text: nearest::shorten(self.source),
        };
        (flaw, hint)
    }

    pub(super) fn unknown_function(&self, name: &str) -> Refused {
        let flaw = ExpressionFlaw::UnknownFunction {
            name: nearest::shorten(name),
            source_text: nearest::shorten(self.source),
        };
        (flaw, nearest::hint(name, Function::names()))
    }

    pub(super) fn unsupported(&self, what: &str) -> Refused {
        let flaw = ExpressionFlaw::Unsupported {
            what: what.to_owned(),
            source_text: nearest::shorten(self.source),
        };
        (flaw, None)
    }
}
