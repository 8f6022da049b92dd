//! From a text to the syntax tree of the `cel` crate.

use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;

use super::flaw::ExpressionFlaw;
use super::refused::Refused;
use crate::limits::{EXPRESSION_BYTES, EXPRESSION_DEPTH};
use crate::nearest;

/// Parses an expression that is not too long and not too deep.
pub(super) fn parse(source: &str) -> Result<IdedExpr, Refused> {
    if source.len() > EXPRESSION_BYTES {
        let (limit, got) = (EXPRESSION_BYTES, source.len());
        return Err((ExpressionFlaw::TooLong { limit, got }, None));
    }
    check_nesting(source)?;
    let parsed = PrattParser::new().parse(source);
    parsed.map_err(|errors| (syntax(source, &errors), None))
}

/// Refuses what the parser would recurse too deep into: brackets and conditions in each other.
fn check_nesting(source: &str) -> Result<(), Refused> {
    let (mut depth, mut deepest, mut conditions) = (0usize, 0usize, 0usize);
    let mut quote = None;
    let mut escaped = false;
    for c in source.chars() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('(' | '[' | '{', None) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (')' | ']' | '}', None) => depth = depth.saturating_sub(1),
            ('?' | '!', None) => conditions += 1,
            _ => {}
        }
    }
    let limit = EXPRESSION_DEPTH;
    // Whoever deceives the count of quotes still has so few bytes that nothing overflows.
    match deepest + conditions > limit {
        true => Err((ExpressionFlaw::TooDeep { limit }, None)),
        false => Ok(()),
    }
}

fn syntax(source: &str, errors: &cel::ParseErrors) -> ExpressionFlaw {
    let first = errors.errors.first();
    let message = first.map_or("it cannot be parsed", |error| error.msg.as_str());
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    let before = usize::try_from(line - 1).unwrap_or(0);
    let skipped = source.split_inclusive('\n').take(before);
    let skipped = skipped.map(|line| line.chars().count()).sum::<usize>();
    ExpressionFlaw::Syntax {
        message: nearest::shorten(message),
        column: skipped + usize::try_from(column).unwrap_or(1),
        source_text: nearest::shorten(source),
    }
}
