//! Why a definition is refused: every flaw that was found, with its place, and what to do about it.

use std::fmt;

use capataz_api::spec;

use crate::document::{Node, Place};
use crate::expression::ExpressionFlaw;
use crate::limits;

/// A definition that is refused. Nothing of it is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// At least one and at most [`limits::FLAWS`], in the order of the document.
    pub flaws: Vec<Flaw>,
    /// Flaws that were found beyond those.
    pub more: usize,
}

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Debug)]
pub struct Flaw {
    /// Where in the text; line 0 when the definition never was one.
    pub place: Place,
    /// Where in the document, such as `steps[3].after[0]`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub reason: Reason,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What is wrong with a part of a definition.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Reason {
    /// The text is neither YAML nor JSON.
    #[error("cannot be read: {message}")]
    Syntax {
        /// What the reader says.
        message: String,
    },
    /// A map with the same key twice.
    #[error("has the key {key:?} twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Lists and maps in each other, too many.
    #[error("is nested deeper than {limit}")]
    TooDeep {
        /// The most.
        limit: usize,
    },
    /// More than a limit.
    #[error("has {got} {unit}, the limit is {limit}")]
    TooLarge {
        /// The most.
        limit: usize,
        /// What came.
        got: usize,
        /// Of what.
        unit: &'static str,
    },
    /// A field that does not exist.
    #[error("is not a known field")]
    UnknownField,
    /// A field that must be there.
    #[error("is required")]
    Missing,
    /// A text or list with nothing in it.
    #[error("must not be empty")]
    Empty,
    /// A value of another type.
    #[error("must be {expected}, got {got}")]
    WrongType {
        /// What is taken.
        expected: String,
        /// What came, shortened.
        got: String,
    },
    /// A number outside of its bounds.
    #[error("must be {min} to {max}, got {got}")]
    OutOfRange {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
        /// What came.
        got: String,
    },
    /// Two fields that cannot stand together.
    #[error("cannot be combined with `{other}`")]
    Excludes {
        /// The other field.
        other: &'static str,
    },
    /// A field that means nothing without another one.
    #[error("means nothing without `{other}`")]
    Needs {
        /// The other field.
        other: &'static str,
    },
    /// What a task may not say either.
    #[error("{0}")]
    Task(spec::Flaw),
    /// An id that another step has.
    #[error("is {id:?}, which is the id of `steps[{first}]`")]
    DuplicateStep {
        /// The id.
        id: String,
        /// The first step that has it.
        first: usize,
    },
    /// A step that does not exist.
    #[error("names the step {name:?}, which does not exist")]
    UnknownStep {
        /// What was named.
        name: String,
    },
    /// The same step twice in an `after`.
    #[error("names the step {name:?} twice")]
    DuplicateEdge {
        /// The step.
        name: String,
    },
    /// Steps that wait for each other.
    #[error("waits for itself: {}", path.join(" -> "))]
    Cycle {
        /// The steps, each before the one that waits for it; the first is also the last.
        path: Vec<String>,
    },
    /// A chain of steps that is too long.
    #[error("is the end of a chain of {got} steps, the limit is {limit}")]
    TooLong {
        /// The most.
        limit: usize,
        /// How many there are up to this step.
        got: usize,
    },
    /// A step that no run can ever reach.
    #[error("can never run: {because}")]
    NeverRuns {
        /// Why.
        because: String,
    },
    /// An expression that is wrong in itself.
    #[error("{0}")]
    Expression(ExpressionFlaw),
    /// A step's output or state that is not there yet when the expression is evaluated.
    #[error("refers to the step {name:?}, which is not before it")]
    NotBefore {
        /// The step.
        name: String,
    },
    /// A step's own output.
    #[error("refers to its own output, which cannot exist yet")]
    Itself,
    /// The output of a step that has none.
    #[error("refers to the output of {name:?}, which is a noop and has none")]
    NoOutput {
        /// The step.
        name: String,
    },
    /// Two steps, one of which alters the message, that may run at the same time.
    #[error(
        "alters the message while {name:?} may {}: put one after the other",
        if *writes { "alter it, too" } else { "read it" }
    )]
    Race {
        /// The other step.
        name: String,
        /// Whether the other one alters it, too.
        writes: bool,
    },
}

/// A way into a document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Path(Vec<Segment>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

impl Path {
    pub(crate) fn root() -> Path {
        Path::default()
    }

    pub(crate) fn step(index: usize) -> Path {
        Path::root().field("steps").index(index)
    }

    pub(crate) fn field(&self, name: &str) -> Path {
        self.with(Segment::Field(name.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Path {
        self.with(Segment::Index(index))
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The same under the name that a task spec gives it, such as `backoff.max` or `tags[2]`.
    pub(crate) fn spec_field(&self, field: &str) -> Path {
        let mut path = self.clone();
        let (name, rest) = field.split_at(field.find(['.', '[']).unwrap_or(field.len()));
        path.0.push(Segment::Field(name.to_owned()));
        if let Some(inner) = rest.strip_prefix('.') {
            path.0.push(Segment::Field(inner.to_owned()));
        } else if let Some(index) = rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')) {
            path.0.extend(index.parse().ok().map(Segment::Index));
        }
        path
    }

    fn with(&self, segment: Segment) -> Path {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Path(segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Field(name) if place == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// Collects flaws while a definition is read and checked.
#[derive(Default)]
pub(crate) struct Flaws {
    found: Vec<(Path, Option<Place>, Reason, Option<String>)>,
    more: usize,
}

impl Flaws {
    pub(crate) fn add(&mut self, path: Path, reason: Reason) {
        self.add_at(path, None, reason, None);
    }

    pub(crate) fn hinted(&mut self, path: Path, reason: Reason, hint: Option<String>) {
        self.add_at(path, None, reason, hint);
    }

    /// Adds a flaw whose place is known better than from its path.
    pub(crate) fn add_at(
        &mut self,
        path: Path,
        place: Option<Place>,
        reason: Reason,
        hint: Option<String>,
    ) {
        if self.found.len() < limits::FLAWS {
            self.found.push((path, place, reason, hint));
        } else {
            self.more += 1;
        }
    }

    /// The refusal, if there is any flaw, with the places that the document gives them.
    pub(crate) fn into_result(self, document: &Node) -> Result<(), Refusal> {
        if self.found.is_empty() {
            return Ok(());
        }
        let flaw = |(path, place, reason, hint): (Path, Option<Place>, Reason, _)| Flaw {
            place: place.unwrap_or_else(|| document.place_of(&path)),
            path: path.to_string(),
            reason,
            hint,
        };
        let mut flaws = self.found.into_iter().map(flaw).collect::<Vec<_>>();
        flaws.sort_by_key(|flaw| flaw.place);
        Err(Refusal {
            flaws,
            more: self.more,
        })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(
                f,
                "line {}, column {}: ",
                self.place.line, self.place.column
            )?;
        }
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        write!(f, "{}", self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Refusal {
    /// A flaw a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, flaw) in self.flaws.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{flaw}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Refusal {}
