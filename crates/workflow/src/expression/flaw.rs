//! What can be wrong with an expression before it is ever evaluated.

/// What is wrong with an expression. Columns count characters of the expression from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExpressionFlaw {
    /// It is not CEL.
    #[error("is not an expression: {message}, at character {column} of `{source_text}`")]
    Syntax {
        /// What the parser says.
        message: String,
        /// Where.
        column: usize,
        /// The expression, shortened.
        source_text: String,
    },
    /// CEL that has no meaning for JSON, such as bytes, structs and optionals.
    #[error("uses {what}, which is not supported, in `{source_text}`")]
    Unsupported {
        /// What is used.
        what: String,
        /// The expression, shortened.
        source_text: String,
    },
    /// A variable that does not exist, or not here.
    #[error("names `{name}`, but there is only {expected} here, in `{source_text}`")]
    UnknownVariable {
        /// What was named.
        name: String,
        /// What there is.
        expected: String,
        /// The expression, shortened.
        source_text: String,
    },
    /// A parameter that the workflow does not have.
    #[error("names the parameter {name:?}, which does not exist, in `{source_text}`")]
    UnknownParameter {
        /// What was named.
        name: String,
        /// The expression, shortened.
        source_text: String,
    },
    /// A step that the workflow does not have.
    #[error("names the step {name:?}, which does not exist, in `{source_text}`")]
    UnknownStep {
        /// What was named.
        name: String,
        /// The expression, shortened.
        source_text: String,
    },
    /// A function that does not exist.
    #[error("calls `{name}`, which is no function, in `{source_text}`")]
    UnknownFunction {
        /// What was called.
        name: String,
        /// The expression, shortened.
        source_text: String,
    },
    /// A function with too few or too many arguments.
    #[error("calls `{name}` with {got} arguments, it takes {expected}, in `{source_text}`")]
    Arguments {
        /// The function.
        name: &'static str,
        /// How many it takes.
        expected: &'static str,
        /// How many came.
        got: usize,
        /// The expression, shortened.
        source_text: String,
    },
    /// More bytes than an expression may have.
    #[error("is an expression of {got} bytes, the limit is {limit}")]
    TooLong {
        /// The most.
        limit: usize,
        /// What came.
        got: usize,
    },
    /// Too many parts in each other.
    #[error("is an expression nested deeper than {limit}")]
    TooDeep {
        /// The most.
        limit: usize,
    },
    /// A `${` without its `}`.
    #[error("has a `${{` without its `}}`, at character {column}; write `$${{` for a plain `${{`")]
    Unclosed {
        /// Where.
        column: usize,
    },
}
