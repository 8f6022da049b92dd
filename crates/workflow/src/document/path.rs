//! Ways into a document.

use std::fmt;

use super::{Content, Node, Place};

/// A way into a document, such as `steps[3].after[0]`. It is made on the way, from borrowed parts,
/// and only written down when there is something to say.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Index(usize),
    /// `steps[...]`, where most ways begin.
    Step(usize),
}

impl<'a> Path<'a> {
    /// The document as a whole.
    pub(crate) const ROOT: Path<'static> = Path {
        before: None,
        segment: Segment::Root,
    };

    /// A field of the document.
    pub(crate) fn top(name: &'a str) -> Path<'a> {
        Path {
            before: None,
            segment: Segment::Field(name),
        }
    }

    pub(crate) fn step(index: usize) -> Path<'a> {
        Path {
            before: None,
            segment: Segment::Step(index),
        }
    }

    pub(crate) fn field(&'a self, name: &'a str) -> Path<'a> {
        self.with(Segment::Field(name))
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        self.with(Segment::Index(index))
    }

    fn with(&'a self, segment: Segment<'a>) -> Path<'a> {
        Path {
            before: Some(self),
            segment,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = match self.before {
            None => true,
            Some(before) => {
                before.fmt(f)?;
                matches!(before.segment, Segment::Root)
            }
        };
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Step(index) => write!(f, "steps[{index}]"),
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Field(name) if begins => f.write_str(name),
            Segment::Field(name) => write!(f, ".{name}"),
        }
    }
}

impl Node {
    /// Where a path leads, or the nearest that there is on the way.
    pub(crate) fn place_of(&self, path: &Path<'_>) -> Place {
        self.follow(path).unwrap_or_else(|nearest| nearest).place
    }

    /// The node that a path leads to, else the last one on the way.
    fn follow(&self, path: &Path<'_>) -> Result<&Node, &Node> {
        let node = match path.before {
            Some(before) => self.follow(before)?,
            None => self,
        };
        let next = match path.segment {
            Segment::Root => Some(node),
            Segment::Field(name) => node.member(name),
            Segment::Index(index) => node.item(index),
            Segment::Step(index) => node.member("steps").and_then(|steps| steps.item(index)),
        };
        next.ok_or(node)
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        let Content::Map(members) = &self.content else {
            return None;
        };
        let found = members.iter().find(|member| member.key == name);
        found.map(|member| &member.value)
    }

    fn item(&self, index: usize) -> Option<&Node> {
        match &self.content {
            Content::List(items) => items.get(index),
            // `after: a` is short for `after: [a]`.
            _ => Some(self),
        }
    }
}
