//! YAML with the places of its values, by the core schema of YAML 1.2: `yes` and `2026-01-01` are
//! texts. Aliases are copied, within a bound on what they add.

use std::collections::{BTreeMap, BTreeSet};

use capataz_api::limits::JSON_DEPTH;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use serde_json::Number;

use super::{Content, Member, Node, Place, Unreadable, is_new};
use crate::limits;
use crate::refusal::Reason;

pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        added: 0,
        end: end(text),
    };
    reader.document()
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// What each anchor stands for.
    anchors: BTreeMap<usize, Anchored>,
    /// What aliases have added so far.
    added: usize,
    /// Where the text ends.
    end: Place,
}

/// What an anchor stands for, with what copying it adds and how deep it is.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Unreadable> {
        let mut document = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event if document.is_none() => document = Some(self.node(event, place, 0)?),
                _ => {
                    let message = "expected one document, got another one".to_owned();
                    return Err(unreadable(place, message));
                }
            }
        }
        document.ok_or_else(|| unreadable(Place::default(), "the document is empty".to_owned()))
    }

    fn place(&self, marker: &Marker) -> Place {
        let place = Place {
            line: marker.line() as u32,
            column: marker.col() as u32 + 1,
        };
        // To the parser the end of a text is the beginning of a further line.
        place.min(self.end)
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Unreadable> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(&span.start))),
            Some(Err(error)) => {
                let place = self.place(error.marker());
                Err(unreadable(place, error.info().to_owned()))
            }
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Unreadable> {
        if depth > JSON_DEPTH {
            let reason = Reason::TooDeep { limit: JSON_DEPTH };
            return Err(Unreadable { place, reason });
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let content = scalar(&text, style, tag.as_deref());
                (content.map_err(|reason| unreadable(place, reason))?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", place)?;
                (Content::List(self.items(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", place)?;
                (Content::Map(self.members(depth)?), anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, place, depth),
            _ => return Err(unreadable(place, "expected a value".to_owned())),
        };
        let node = Node { place, content };
        if anchor > 0 {
            let (size, height) = measure(&node);
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, size, height });
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Unreadable> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Unreadable> {
        let mut seen = BTreeSet::new();
        let mut members: Vec<Member> = Vec::new();
        loop {
            let (event, place) = self.next()?;
            let key = match event {
                Event::MappingEnd | Event::StreamEnd => return Ok(members),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(unreadable(place, "a key must be a text".to_owned())),
            };
            if !is_new(&key, &members, &mut seen) {
                let reason = Reason::DuplicateKey { key };
                return Err(Unreadable { place, reason });
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            members.push(Member { key, place, value });
        }
    }

    /// A copy of what an anchor stands for, with the alias's own place.
    fn alias(&mut self, anchor: usize, place: Place, depth: usize) -> Result<Node, Unreadable> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "an alias to a value that is not complete yet".to_owned();
            return Err(unreadable(place, message));
        };
        self.added += anchored.size;
        if self.added > limits::ALIASED_BYTES {
            let reason = Reason::TooLarge {
                limit: limits::ALIASED_BYTES,
                got: self.added,
                unit: "bytes added by aliases",
            };
            return Err(Unreadable { place, reason });
        }
        if depth + anchored.height > JSON_DEPTH {
            let reason = Reason::TooDeep { limit: JSON_DEPTH };
            return Err(Unreadable { place, reason });
        }
        let mut copy = anchored.node.clone();
        copy.place = place;
        Ok(copy)
    }
}

/// What a copy of a node adds to the document, and how deep it is.
fn measure(node: &Node) -> (usize, usize) {
    let mut size = limits::NODE_BYTES;
    let mut height = 0;
    let mut add = |inner: &Node| {
        let (inner_size, inner_height) = measure(inner);
        size += inner_size;
        height = height.max(inner_height + 1);
    };
    match &node.content {
        Content::List(items) => items.iter().for_each(add),
        Content::Map(members) => {
            members.iter().for_each(|member| add(&member.value));
            size += members.iter().map(|member| member.key.len()).sum::<usize>();
        }
        Content::Text(text) => size += text.len(),
        Content::Null | Content::Bool(_) | Content::Number(_) => {}
    }
    (size, height)
}

/// Reads a scalar: quoted ones are texts, plain ones what they look like.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, String> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => {
            return Ok(Content::Text(text.to_owned()));
        }
        Some(tag) => return Err(format!("the tag {tag} is not known")),
        None if style != ScalarStyle::Plain => return Ok(Content::Text(text.to_owned())),
        None => {}
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ => match number(text)? {
            Some(number) => Content::Number(number),
            None => Content::Text(text.to_owned()),
        },
    })
}

/// Reads a number of the core schema; none when the text is something else.
fn number(text: &str) -> Result<Option<Number>, String> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Number::from);
    if let Some(digits) = text.strip_prefix("0x") {
        return Ok(radix(digits, 16));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return Ok(radix(digits, 8));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return Err(format!("{text} is not a number that JSON can carry"));
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+');
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !begins || !unsigned.contains(|c: char| c.is_ascii_digit()) || !unsigned.chars().all(numeric)
    {
        return Ok(None);
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(Some(integer.into()));
    }
    if let Ok(integer) = unsigned.parse::<u64>()
        && !text.starts_with('-')
    {
        return Ok(Some(integer.into()));
    }
    // Anything else that is no number, such as `1.2.3`, is a text.
    Ok(text.parse::<f64>().ok().and_then(Number::from_f64))
}

fn refuse_tag(tag: Option<&Tag>, plain: &str, place: Place) -> Result<(), Unreadable> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == plain) => {
            Err(unreadable(place, format!("the tag {tag} is not known")))
        }
        _ => Ok(()),
    }
}

/// Where a text ends.
fn end(text: &str) -> Place {
    let breaks = text.replace("\r\n", "\n");
    let lines = breaks.split(['\n', '\r']);
    let last = lines.clone().next_back().unwrap_or_default();
    Place {
        line: lines.count() as u32,
        column: last.chars().count() as u32 + 1,
    }
}

fn unreadable(place: Place, message: String) -> Unreadable {
    let reason = Reason::Syntax { message };
    Unreadable { place, reason }
}
