//! Query parameters: read by the server, written by clients, from one description.

use std::fmt::Write;
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::body::unknown;
use crate::problem::{Code, Problem};
use crate::spec::SpecError;

/// The parameters of a route.
pub trait Query: Sized {
    /// Their names.
    const NAMES: &'static [&'static str];

    /// Reads the parameters. All names are known ones.
    fn read(params: &mut Params) -> Result<Self, Problem>;

    /// Writes the parameters that differ from their defaults.
    fn write(&self, out: &mut QueryText);

    /// Reads the part of a URL after its `?`; unknown and repeated parameters are refused.
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        Self::read(&mut Params::split(query.unwrap_or_default(), Self::NAMES)?)
    }

    /// The part of a URL from its `?` on; empty without parameters.
    fn to_text(&self) -> String {
        let mut out = QueryText(String::new());
        self.write(&mut out);
        out.0
    }
}

/// A route without parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoQuery;

impl Query for NoQuery {
    const NAMES: &'static [&'static str] = &[];

    fn read(_: &mut Params) -> Result<NoQuery, Problem> {
        Ok(NoQuery)
    }

    fn write(&self, _: &mut QueryText) {}
}

/// Why a query is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseQueryError {
    /// A parameter more than once.
    #[error("the parameter {name} comes twice")]
    Repeated {
        /// Which.
        name: String,
    },
    /// A value of the wrong form.
    #[error("the parameter {name} must be {expected}, got {got:?}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// What is taken.
        expected: String,
        /// What came.
        got: String,
    },
    /// Percent-encoded bytes that are no text.
    #[error("the query is not UTF-8: {got:?}")]
    NotUtf8 {
        /// What came.
        got: String,
    },
}

impl From<ParseQueryError> for Problem {
    fn from(error: ParseQueryError) -> Problem {
        let problem = Problem::new(Code::InvalidField, error.to_string());
        match error {
            ParseQueryError::Repeated { name } => problem.field(name),
            ParseQueryError::NotUtf8 { got } => problem.got(got),
            ParseQueryError::Invalid {
                name,
                expected,
                got,
            } => problem.field(name).limit(expected).got(got),
        }
    }
}

/// Decoded parameters that have not been taken yet.
pub struct Params(Vec<(String, String)>);

impl Params {
    fn split(query: &str, known: &[&'static str]) -> Result<Params, Problem> {
        let mut params: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                return Err(SpecError::into(unknown(&name, known)));
            }
            if params.iter().any(|(other, _)| *other == name) {
                return Err(ParseQueryError::Repeated { name }.into());
            }
            params.push((name, value));
        }
        Ok(Params(params))
    }

    /// The text of a parameter.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let place = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// A parameter of another type, described as `expected`.
    pub fn parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(got) = self.text(name) else {
            return Ok(None);
        };
        got.parse().map(Some).map_err(|_| {
            let expected = expected.to_owned();
            ParseQueryError::Invalid {
                name,
                expected,
                got,
            }
            .into()
        })
    }

    /// A parameter that is a list with commas.
    pub fn list<T: FromStr>(
        &mut self,
        name: &'static str,
        expected: &str,
    ) -> Result<Vec<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(Vec::new());
        };
        let read = |item: &str| {
            item.parse().map_err(|_| {
                Problem::from(ParseQueryError::Invalid {
                    name,
                    expected: expected.to_owned(),
                    got: item.to_owned(),
                })
            })
        };
        text.split(',').map(read).collect()
    }

    /// A parameter that is true or false; alone it is true.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("" | "true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(got) => Err(ParseQueryError::Invalid {
                name,
                expected: "true or false".to_owned(),
                got: got.to_owned(),
            }
            .into()),
        }
    }

    /// A whole number within bounds.
    pub fn number(
        &mut self,
        name: &'static str,
        min: usize,
        max: usize,
    ) -> Result<Option<usize>, Problem> {
        let expected = format!("{min} to {max}");
        let Some(got) = self.text(name) else {
            return Ok(None);
        };
        match got.parse() {
            Ok(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => {
                let detail = format!("the parameter {name} must be {expected}, got {got:?}");
                let problem = Problem::new(Code::OutOfRange, detail);
                Err(problem.field(name).limit(expected).got(got))
            }
        }
    }
}

fn decode(text: &str) -> Result<String, ParseQueryError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| ParseQueryError::NotUtf8 { got: text.into() })
}

/// A query that is being written.
pub struct QueryText(String);

impl QueryText {
    /// Adds a parameter, if there is one.
    pub fn add(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            let mark = if self.0.is_empty() { '?' } else { '&' };
            let value = value.to_string();
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            // Writing to a text cannot fail.
            let _ = write!(self.0, "{mark}{name}={value}");
        }
    }

    /// Adds a parameter with a list of values, if there are any.
    pub fn add_list<T: ToString>(&mut self, name: &str, values: &[T]) {
        let values: Vec<String> = values.iter().map(T::to_string).collect();
        self.add(name, (!values.is_empty()).then(|| values.join(",")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{TaskState, TasksQuery};

    #[test]
    fn a_query_reads_back_as_it_was_written() {
        let query = TasksQuery {
            group: Some("a & b=é+?".into()),
            state: vec![TaskState::Queued, TaskState::Running],
            limit: Some(7),
            ..TasksQuery::default()
        };
        let text = query.to_text();
        assert_eq!(TasksQuery::parse(text.strip_prefix('?')), Ok(query));
        assert_eq!(TasksQuery::default().to_text(), "");
        assert_eq!(TasksQuery::parse(None), Ok(TasksQuery::default()));
    }

    #[test]
    fn bad_queries_are_refused_by_name() {
        for (query, code, field) in [
            ("stat=queued", Code::UnknownField, "stat"),
            ("limit=0", Code::OutOfRange, "limit"),
            ("limit=10001", Code::OutOfRange, "limit"),
            ("limit=x", Code::OutOfRange, "limit"),
            ("state=queued,lost", Code::InvalidField, "state"),
            ("tag=a&tag=b", Code::InvalidField, "tag"),
            ("position=-1", Code::InvalidField, "position"),
        ] {
            let problem = TasksQuery::parse(Some(query)).expect_err(query);
            assert_eq!(problem.kind(), Some(code), "{query}");
            assert_eq!(problem.field.as_deref(), Some(field), "{query}");
        }
        assert!(TasksQuery::parse(Some("group=%ff")).is_err());
        assert!(NoQuery::parse(Some("x")).is_err());
    }

    #[test]
    fn the_american_spelling_is_taken() {
        let query = TasksQuery::parse(Some("state=canceled")).expect("a good query");
        assert_eq!(query.state, [TaskState::Cancelled]);
    }
}
