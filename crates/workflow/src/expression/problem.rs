//! What can go wrong when an expression is evaluated.

use capataz_api::spec;

use crate::limits;

/// Why an evaluation gives no value.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Problem {
    /// An operator or function that does not take values of these types.
    #[error("`{operator}` does not take {}", types.join(" and "))]
    Types {
        /// The operator or function.
        operator: &'static str,
        /// The types of what it was given.
        types: Vec<&'static str>,
    },
    /// A value that must be of one type.
    #[error("must be {expected}, got {got}")]
    Expected {
        /// What is taken.
        expected: &'static str,
        /// The type of what came.
        got: &'static str,
    },
    /// A map without the member.
    #[error("there is no member {member:?} in a map of {members}")]
    NoMember {
        /// What was asked for.
        member: String,
        /// How many members there are.
        members: usize,
    },
    /// A list that is not so long.
    #[error("there is no element {index} in a list of {length}")]
    NoElement {
        /// What was asked for, from 0.
        index: String,
        /// How many elements there are.
        length: usize,
    },
    /// A step that has no output, because it did not succeed or was not run.
    #[error("the step {step:?} has no output; `has(outputs.{step})` asks whether it has")]
    NoOutput {
        /// The step.
        step: String,
    },
    /// An output that is referred to and cannot be read.
    #[error("the output of the step {step:?} is not JSON: {message}; let the step print JSON")]
    NotJson {
        /// The step.
        step: String,
        /// What the reader says.
        message: String,
    },
    /// A run without a message.
    #[error("the run has no message")]
    NoMessage,
    /// A message that is not what a step promised.
    #[error("the run's message is not JSON: {message}")]
    BadMessage {
        /// What the reader says.
        message: String,
    },
    /// `item` or `index` where no element is given.
    #[error("there is no element to look at")]
    NoElementHere,
    /// A whole number beyond 64 bits, or a result that is no number.
    #[error("the result of `{operator}` is out of range")]
    OutOfRange {
        /// The operator or function.
        operator: &'static str,
    },
    /// A division by zero.
    #[error("`{operator}` by zero")]
    ByZero {
        /// The operator.
        operator: &'static str,
    },
    /// A text that is not what a function makes of it.
    #[error("`{function}` cannot be made of {got:?}")]
    Conversion {
        /// The function.
        function: &'static str,
        /// What came, shortened.
        got: String,
    },
    /// A regular expression that is none, or too large.
    #[error("is not a regular expression: {message}")]
    Pattern {
        /// What the compiler says.
        message: String,
    },
    /// A map with the same key twice.
    #[error("the key {key:?} comes twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// An evaluation that costs too much.
    #[error("takes too long: it costs more than {}", limits::FUEL)]
    TooCostly,
    /// A text that is too large.
    #[error("gives more than {} bytes", limits::VALUE_BYTES)]
    TooLarge,
    /// A text that is no name, where one is needed.
    #[error("gives {got:?}, which {flaw}")]
    Name {
        /// What came, shortened.
        got: String,
        /// What is wrong with it.
        flaw: spec::Flaw,
    },
    /// A list that is too long for a `for_each`.
    #[error("gives {got} elements, the limit is {}", limits::FAN_OUT)]
    TooMany {
        /// How many came.
        got: usize,
    },
}

impl Problem {
    /// Whether it ends the whole evaluation, though an operator might do without the value.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Problem::TooCostly | Problem::TooLarge)
    }
}
