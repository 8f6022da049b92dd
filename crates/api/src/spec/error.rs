//! Why a spec is refused: where, what was expected, what came.

use crate::json::JsonError;
use crate::problem::Code;
use crate::span::ParseSpanError;
use crate::timestamp::ParseTimestampError;

/// A spec that is refused. Nothing of the submission is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecError {
    /// Which task of the submission, from 0; none when it was a single one or the whole is to blame.
    pub index: Option<usize>,
    /// Which field, such as `tags[2]`; empty when the task or the submission as a whole is to blame.
    pub field: String,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// The document cannot be read at all.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A field that every task needs.
    #[error("is required")]
    Missing,
    /// A value of another type.
    #[error("must be {expected}, got {got}")]
    WrongType {
        /// What is taken.
        expected: &'static str,
        /// What came, shortened.
        got: String,
    },
    /// A field that does not exist.
    #[error("is not a known field")]
    Unknown {
        /// The known field that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// A number outside its bounds.
    #[error("must be {min} to {max}, got {got}")]
    OutOfRange {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
        /// What came, shortened.
        got: String,
    },
    /// More bytes or items than the limit.
    #[error("has {got} {unit}, the limit is {limit}")]
    TooLarge {
        /// The most that is taken.
        limit: usize,
        /// What came.
        got: usize,
        /// Of what.
        unit: &'static str,
    },
    /// An empty text or list where there must be something.
    #[error("must not be empty")]
    Empty,
    /// A name with a control character.
    #[error("must not contain control characters, got {got:?}")]
    ControlCharacter {
        /// The first of them.
        got: char,
    },
    /// An argument or variable with a zero byte, which no process can be given.
    #[error("must not contain a zero byte")]
    ZeroByte,
    /// No name of an environment variable.
    #[error("must be letters, digits and _ and not begin with a digit, got {got:?}")]
    VariableName {
        /// What came, shortened.
        got: String,
    },
    /// A variable that workers set themselves.
    #[error("must not begin with CAPATAZ_, got {got:?}")]
    ReservedVariable {
        /// What came, shortened.
        got: String,
    },
    /// No name of a secret.
    #[error("must be letters, digits and any of _.- and not begin with a dot, got {got:?}")]
    SecretName {
        /// What came, shortened.
        got: String,
    },
    /// Two fields that say the same thing differently.
    #[error("cannot be combined with {other}")]
    Excludes {
        /// The other field.
        other: &'static str,
    },
    /// No duration.
    #[error("is not a duration: {0}")]
    Span(#[from] ParseSpanError),
    /// No point in time.
    #[error("is not a time: {0}")]
    Timestamp(#[from] ParseTimestampError),
    /// Bytes of a binary spec that are no message.
    #[error("is not an encoded task spec: {reason}")]
    NotEncoded {
        /// What the decoder says.
        reason: String,
    },
}

impl SpecError {
    /// A flaw in a single task.
    pub(crate) fn new(field: impl Into<String>, flaw: impl Into<Flaw>) -> SpecError {
        SpecError {
            index: None,
            field: field.into(),
            flaw: flaw.into(),
        }
    }

    /// Says which task of a submission it was.
    pub fn at(mut self, index: usize) -> SpecError {
        self.index = Some(index);
        self
    }

    /// The place in the submission, such as `tasks[3].priority`.
    pub fn place(&self) -> Option<String> {
        match (self.index, self.field.as_str()) {
            (None, "") => None,
            (None, field) => Some(field.to_owned()),
            (Some(index), "") => Some(format!("tasks[{index}]")),
            (Some(index), field) => Some(format!("tasks[{index}].{field}")),
        }
    }
}

impl std::fmt::Display for SpecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place() {
            Some(place) => write!(f, "{place} {}", self.flaw),
            None => write!(f, "{}", self.flaw),
        }
    }
}

impl std::error::Error for SpecError {}

impl Flaw {
    /// The code of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Flaw::Json(_) => Code::MalformedJson,
            Flaw::Unknown { .. } => Code::UnknownField,
            Flaw::OutOfRange { .. } => Code::OutOfRange,
            Flaw::TooLarge { .. } => Code::TooLarge,
            Flaw::Span(ParseSpanError::Negative { .. } | ParseSpanError::TooLong { .. }) => {
                Code::OutOfRange
            }
            _ => Code::InvalidField,
        }
    }

    /// What would have been taken.
    pub fn limit(&self) -> Option<String> {
        match self {
            Flaw::OutOfRange { min, max, .. } => Some(format!("{min} to {max}")),
            Flaw::TooLarge { limit, unit, .. } => Some(format!("{limit} {unit}")),
            Flaw::WrongType { expected, .. } => Some((*expected).to_owned()),
            Flaw::Json(JsonError::TooDeep { .. }) => Some(crate::limits::JSON_DEPTH.to_string()),
            Flaw::Span(ParseSpanError::Negative { .. } | ParseSpanError::TooLong { .. }) => {
                Some(format!("0 to {} seconds", crate::limits::DURATION_MAX_SECS))
            }
            _ => None,
        }
    }

    /// What came instead.
    pub fn got(&self) -> Option<String> {
        match self {
            Flaw::OutOfRange { got, .. }
            | Flaw::WrongType { got, .. }
            | Flaw::VariableName { got }
            | Flaw::ReservedVariable { got }
            | Flaw::SecretName { got } => Some(got.clone()),
            Flaw::TooLarge { got, unit, .. } => Some(format!("{got} {unit}")),
            Flaw::Timestamp(error) => Some(error.got.clone()),
            Flaw::Span(
                ParseSpanError::Malformed { got }
                | ParseSpanError::Unit { got }
                | ParseSpanError::Negative { got }
                | ParseSpanError::TooLong { got },
            ) => Some(got.clone()),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Flaw::Unknown { nearest } => nearest.map(|name| format!("did you mean `{name}`?")),
            Flaw::TooLarge { unit: "bytes", .. } => {
                Some("put large data where workers can read it, and send its address".to_owned())
            }
            Flaw::TooLarge { unit: "tasks", .. } => {
                Some("split the submission into smaller ones".to_owned())
            }
            _ => None,
        }
    }
}

/// What came, short enough to be shown.
pub(crate) fn shorten(text: &str) -> String {
    /// Characters that are shown of what came: enough to recognise it.
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// The known name that is spelled most like an unknown one, if any is close.
pub(crate) fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    /// Below this similarity a guess confuses more than it helps.
    const CLOSE: f64 = 0.7;
    let close = known
        .iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), *name));
    close
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
