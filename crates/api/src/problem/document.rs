//! The problem document.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Code;
use crate::json::JsonError;
use crate::rest::WorkflowFlaw;
use crate::spec::SpecError;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What every problem's `type` begins with; its code follows.
const TYPE_PREFIX: &str = "urn:capataz:problem:";

/// A refusal (RFC 9457). It changed nothing, unless its code says otherwise.
///
/// Boxed, because it travels as the error of nearly every call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

/// The members of a problem document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
#[non_exhaustive]
pub struct Document {
    /// `urn:capataz:problem:` and the code.
    pub r#type: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was expected and what came, in one sentence.
    pub detail: String,
    /// Which refusal; `docs/reference/errors.md` lists them.
    #[schema(value_type = Code)]
    pub code: String,
    /// The field to blame, such as `tasks[3].priority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would have been accepted, such as `1 to 9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// What came instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds after which a further try makes sense; also in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The task that stands in the way, when one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Everything that is wrong with a definition, with its places; the detail has it, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<WorkflowFlaw>,
}

impl Problem {
    /// A refusal with what was expected and what came, in one sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Document {
            r#type: format!("{TYPE_PREFIX}{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            field: None,
            limit: None,
            got: None,
            hint: None,
            retry_after: None,
            task: None,
            flaws: Vec::new(),
        }))
    }

    /// Names the field to blame.
    pub fn field(mut self, field: impl Into<String>) -> Problem {
        self.0.field = Some(field.into());
        self
    }

    /// Names what would have been accepted.
    pub fn limit(mut self, limit: impl ToString) -> Problem {
        self.0.limit = Some(limit.to_string());
        self
    }

    /// Names what came instead.
    pub fn got(mut self, got: impl ToString) -> Problem {
        self.0.got = Some(got.to_string());
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says when a further try makes sense, in seconds.
    pub fn retry_after(mut self, secs: u64) -> Problem {
        self.0.retry_after = Some(secs);
        self
    }

    /// Names the task that stands in the way.
    pub fn task(mut self, id: impl ToString) -> Problem {
        self.0.task = Some(id.to_string());
        self
    }

    /// Lists what is wrong with a definition.
    pub fn flaws(mut self, flaws: Vec<WorkflowFlaw>) -> Problem {
        self.0.flaws = flaws;
        self
    }

    /// Which refusal, unless the code is from a later version.
    pub fn kind(&self) -> Option<Code> {
        Code::from_wire(&self.code)
    }

    /// Whether the same request may well be taken a little later.
    pub fn is_transient(&self) -> bool {
        self.kind().is_some_and(Code::is_transient)
    }

    /// Its members.
    pub fn into_document(self) -> Document {
        *self.0
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

impl Deref for Problem {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Document {
        &mut self.0
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        Document::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}

impl From<SpecError> for Problem {
    fn from(error: SpecError) -> Problem {
        let mut problem = Problem::new(error.flaw.code(), error.to_string());
        problem.field = error.place();
        problem.limit = error.flaw.limit();
        problem.got = error.flaw.got();
        problem.hint = error.flaw.hint();
        problem
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Problem {
        Problem::new(Code::MalformedJson, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_back_and_leaves_out_what_it_has_not() {
        let problem = Problem::new(Code::OutOfRange, "priority must be 1 to 9, got 12")
            .field("priority")
            .limit("1 to 9")
            .got(12);
        let json = serde_json::to_value(&problem).expect("a problem is JSON");
        assert_eq!(json["type"], "urn:capataz:problem:out_of_range");
        assert_eq!(json["status"], 400);
        assert!(json.get("retry_after").is_none());
        assert_eq!(serde_json::from_value::<Problem>(json).ok(), Some(problem));
    }

    #[test]
    fn the_schema_is_named_problem() {
        assert_eq!(Problem::name(), "Problem");
    }
}
