//! A definition that gets more steps at its end.

use serde_json::Value;

use super::{from_document, unreadable};
use crate::document::{self, Content, Node, Path, Place};
use crate::limits::ADDED_STEPS;
use crate::nearest;
use crate::refusal::{Flaw, Flaws, Reason, Refusal};
use crate::workflow::Workflow;

/// The only field of a document with more steps.
const FIELD: &str = "steps";

/// More steps for a definition, which know where in their document each of them stood. They are
/// checked with what they are added to: see [`Workflow::extended_by`].
#[derive(Clone, PartialEq, Debug)]
pub struct AddedSteps {
    place: Place,
    steps: Vec<Node>,
}

impl AddedSteps {
    /// Reads a text in YAML or JSON: a list of steps, or a map with `steps`.
    ///
    /// # Errors
    ///
    /// A text that is neither, and a list with nothing in it or with too much.
    pub fn parse(text: &str) -> Result<AddedSteps, Refusal> {
        AddedSteps::of(&document::read(text).map_err(unreadable)?)
    }

    /// The same of a document that is no text any more.
    ///
    /// # Errors
    ///
    /// As [`AddedSteps::parse`].
    pub fn from_json(document: &Value) -> Result<AddedSteps, Refusal> {
        AddedSteps::of(&Node::from_json(document))
    }

    /// The ids of those that have one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| {
            let Content::Text(id) = &step.member("id")?.content else {
                return None;
            };
            Some(id.as_str())
        })
    }

    fn of(document: &Node) -> Result<AddedSteps, Refusal> {
        let mut flaws = Flaws::new(document);
        let list = list(document, &mut flaws);
        let steps = list.map_or(&[][..], |(path, node)| items(path, node, &mut flaws));
        let place = list.map_or(document.place, |(_, node)| node.place);
        let steps = steps.to_vec();
        flaws.into_result()?;
        Ok(AddedSteps { place, steps })
    }
}

/// What should be the list of steps, and the way to it.
fn list<'d>(document: &'d Node, flaws: &mut Flaws<'_>) -> Option<(Path<'static>, &'d Node)> {
    let Content::Map(members) = &document.content else {
        return Some((Path::ROOT, document));
    };
    for member in members.iter().filter(|member| member.key != FIELD) {
        let hint = "only `steps` can be added; everything else stays as it is".to_owned();
        let path = Path::top(&member.key);
        flaws.hinted(&path, Reason::UnknownField, Some(hint));
    }
    let path = Path::top(FIELD);
    let found = document.member(FIELD);
    if found.is_none() {
        flaws.add(&path, Reason::Missing);
    }
    Some((path, found?))
}

fn items<'d>(path: Path<'_>, node: &'d Node, flaws: &mut Flaws<'_>) -> &'d [Node] {
    let Content::List(steps) = &node.content else {
        let expected = "a list of steps, or a map with `steps`".to_owned();
        let got = nearest::shown(&node.to_json());
        flaws.add(&path, Reason::WrongType { expected, got });
        return &[];
    };
    let (limit, got, unit) = (ADDED_STEPS, steps.len(), "steps");
    match got {
        0 => flaws.add(&path, Reason::Empty),
        _ if got > limit => flaws.add(&path, Reason::TooLarge { limit, got, unit }),
        _ => {}
    }
    steps
}

impl Workflow {
    /// [`Workflow::extended`] by steps of a document. Places and paths of flaws are those of that
    /// document; what is wrong with a step that was there before is said of `definition`.
    ///
    /// # Errors
    ///
    /// All flaws of the whole.
    pub fn extended_by(&self, more: AddedSteps) -> Result<Workflow, Refusal> {
        let mut document = Node::from_json(&self.to_json());
        append(&mut document, more);
        from_document(&document).map_err(|mut refusal| {
            let before = self.steps().len();
            for flaw in &mut refusal.flaws {
                relocate(flaw, before);
            }
            refusal
        })
    }
}

fn append(document: &mut Node, more: AddedSteps) {
    let Content::Map(members) = &mut document.content else {
        return;
    };
    let steps = members.iter_mut().find(|member| member.key == FIELD);
    let steps = steps.map(|member| &mut member.value);
    if let Some(Node {
        place,
        content: Content::List(steps),
    }) = steps
    {
        *place = more.place;
        steps.extend(more.steps);
    }
}

/// Counts steps as the author of the new ones does.
fn relocate(flaw: &mut Flaw, before: usize) {
    let step = flaw.path.strip_prefix("steps[");
    let step = step.and_then(|path| path.split_once(']'));
    if let Some((number, rest)) = step
        && let Ok(number) = number.parse::<usize>()
    {
        flaw.path = match number.checked_sub(before) {
            Some(number) => format!("steps[{number}]{rest}"),
            None => format!("definition.{}", flaw.path),
        };
    }
    if let Reason::DuplicateStep { first, .. } = &mut flaw.reason {
        match first.checked_sub(before) {
            Some(number) => *first = number,
            None => flaw.hint = Some("the run has had that step before".to_owned()),
        }
    }
}
