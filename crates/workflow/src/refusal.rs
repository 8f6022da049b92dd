//! Why a definition is refused: every flaw that was found, with its place, and what to do about it.

use std::fmt;

use capataz_api::spec;

use crate::document::{Node, Path, Place};
use crate::expression::{ExpressionFlaw, Site};
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
    #[error("refers to the output of {name:?}, which {because}")]
    NoOutput {
        /// The step.
        name: String,
        /// Why it has none.
        because: &'static str,
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

/// Collects flaws while a document is read and checked.
pub(crate) struct Flaws<'d> {
    document: &'d Node,
    found: Vec<Flaw>,
    more: usize,
}

impl<'d> Flaws<'d> {
    pub(crate) fn new(document: &'d Node) -> Flaws<'d> {
        Flaws {
            document,
            found: Vec::new(),
            more: 0,
        }
    }

    /// Where a path leads.
    pub(crate) fn place_of(&self, path: &Path<'_>) -> Place {
        self.document.place_of(path)
    }

    pub(crate) fn add(&mut self, path: &Path<'_>, reason: Reason) {
        self.hinted(path, reason, None);
    }

    pub(crate) fn hinted(&mut self, path: &Path<'_>, reason: Reason, hint: Option<String>) {
        self.push(Flaw {
            place: self.place_of(path),
            path: path.to_string(),
            reason,
            hint,
        });
    }

    /// Adds what is wrong with an expression among others.
    pub(crate) fn at_site(&mut self, site: &Site, reason: Reason, hint: Option<String>) {
        self.push(Flaw {
            place: site.place,
            path: site.path.to_string(),
            reason,
            hint,
        });
    }

    /// Adds what is wrong with a task spec; its field is named from the place of its spec.
    pub(crate) fn add_spec(&mut self, path: &Path<'_>, error: spec::SpecError) {
        let hint = error.flaw.hint();
        let reason = Reason::Task(error.flaw);
        let field = error.field.as_str();
        let (name, rest) = field.split_at(field.find(['.', '[']).unwrap_or(field.len()));
        let path = path.field(name);
        let index = rest.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match (rest.strip_prefix('.'), index.and_then(|it| it.parse().ok())) {
            (Some(inner), _) => self.hinted(&path.field(inner), reason, hint),
            (_, Some(index)) => self.hinted(&path.index(index), reason, hint),
            _ => self.hinted(&path, reason, hint),
        }
    }

    fn push(&mut self, flaw: Flaw) {
        if self.found.len() < limits::FLAWS {
            self.found.push(flaw);
        } else {
            self.more += 1;
        }
    }

    /// The refusal, if there is any flaw.
    pub(crate) fn into_result(mut self) -> Result<(), Refusal> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|flaw| flaw.place);
        Err(Refusal {
            flaws: self.found,
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
