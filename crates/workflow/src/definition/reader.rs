//! Single values out of documents: each is of the type that is asked for, or a flaw.

use crate::document::Path;
use crate::document::{Content, Member, Node};
use crate::nearest;
use crate::refusal::{Flaws, Reason};

/// Reads a document and collects its flaws.
pub(super) struct Reader<'f, 'd> {
    pub(super) flaws: &'f mut Flaws<'d>,
}

impl Reader<'_, '_> {
    /// An expression. `true` is one as well, though YAML has a type for it.
    pub(super) fn expression(&mut self, path: &Path<'_>, node: &Node) -> Option<String> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            Content::Bool(_) => Some(node.to_json().to_string()),
            _ => {
                self.wrong(path, node, "an expression");
                None
            }
        }
    }

    /// A name; empty when it is flawed.
    pub(super) fn name(&mut self, path: &Path<'_>, node: &Node) -> String {
        let name = self.text(path, node);
        if name.as_deref() == Some("") {
            self.flaws.add(path, Reason::Empty);
        }
        name.unwrap_or_default()
    }

    pub(super) fn text(&mut self, path: &Path<'_>, node: &Node) -> Option<String> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            _ => {
                self.wrong(path, node, "a text");
                None
            }
        }
    }

    pub(super) fn texts(&mut self, path: &Path<'_>, node: &Node) -> Option<Vec<String>> {
        let Content::List(items) = &node.content else {
            self.wrong(path, node, "a list of texts");
            return None;
        };
        let texts = items.iter().enumerate();
        let texts = texts.filter_map(|(index, item)| self.text(&path.index(index), item));
        Some(texts.collect())
    }

    pub(super) fn flag(&mut self, path: &Path<'_>, node: &Node) -> bool {
        match &node.content {
            Content::Bool(value) => *value,
            _ => {
                self.wrong(path, node, "true or false");
                false
            }
        }
    }

    pub(super) fn whole(
        &mut self,
        path: &Path<'_>,
        node: &Node,
        min: u32,
        max: u32,
    ) -> Option<u32> {
        let Content::Number(number) = &node.content else {
            self.wrong(path, node, "a whole number");
            return None;
        };
        let fits = number.as_u64().and_then(|n| u32::try_from(n).ok());
        match fits {
            Some(n) if (min..=max).contains(&n) => Some(n),
            None if number.as_f64().is_some_and(|n| n.fract() != 0.0) => {
                self.wrong(path, node, "a whole number");
                None
            }
            _ => {
                let (min, max) = (u64::from(min), u64::from(max));
                let got = number.to_string();
                let reason = Reason::OutOfRange { min, max, got };
                self.flaws.add(path, reason);
                None
            }
        }
    }

    pub(super) fn choice<T: Copy + Default>(
        &mut self,
        path: &Path<'_>,
        node: &Node,
        names: &[(&'static str, T)],
    ) -> T {
        if let Content::Text(text) = &node.content {
            if let Some((_, value)) = names.iter().find(|(name, _)| name == text) {
                return *value;
            }
            let hint = nearest::hint(text, names.iter().map(|(name, _)| *name));
            let reason = wrong_choice(names, node);
            self.flaws.hinted(path, reason, hint);
        } else {
            let reason = wrong_choice(names, node);
            self.flaws.add(path, reason);
        }
        T::default()
    }

    pub(super) fn members<'n>(&mut self, path: &Path<'_>, node: &'n Node) -> &'n [Member] {
        match &node.content {
            Content::Map(members) => members,
            _ => {
                self.wrong(path, node, "a map");
                &[]
            }
        }
    }

    pub(super) fn items<'n>(&mut self, path: &Path<'_>, node: &'n Node) -> &'n [Node] {
        match &node.content {
            Content::List(items) => items,
            _ => {
                self.wrong(path, node, "a list");
                &[]
            }
        }
    }

    /// The fields that say something: `null` stands for one that is absent, but where it is a value
    /// like any other.
    pub(super) fn fields<'n>(
        &mut self,
        path: &Path<'_>,
        node: &'n Node,
        values: &'static [&'static str],
    ) -> impl Iterator<Item = &'n Member> + use<'n> {
        let says = move |member: &&Member| {
            member.value.content != Content::Null || values.contains(&member.key.as_str())
        };
        self.members(path, node).iter().filter(says)
    }

    /// Whether all of these members are there.
    pub(super) fn require(&mut self, path: &Path<'_>, node: &Node, names: &[&str]) -> bool {
        let Content::Map(members) = &node.content else {
            return false;
        };
        let there = |name: &str| {
            let said =
                |member: &Member| member.key == name && member.value.content != Content::Null;
            members.iter().any(said)
        };
        let mut all = true;
        for name in names.iter().filter(|name| !there(name)) {
            self.flaws.add(&path.field(name), Reason::Missing);
            all = false;
        }
        all
    }

    pub(super) fn unknown(&mut self, path: &Path<'_>, name: &str, known: &[&str]) {
        let hint = nearest::hint(name, known.iter().copied());
        self.flaws.hinted(path, Reason::UnknownField, hint);
    }

    pub(super) fn wrong(&mut self, path: &Path<'_>, node: &Node, expected: &str) {
        let reason = Reason::WrongType {
            expected: expected.to_owned(),
            got: nearest::shown(&node.to_json()),
        };
        let hint = match &node.content {
            Content::Number(_) | Content::Bool(_) if expected.contains("text") => {
                Some("put it in quotes".to_owned())
            }
            _ => None,
        };
        self.flaws.hinted(path, reason, hint);
    }
}

fn wrong_choice<T>(names: &[(&'static str, T)], node: &Node) -> Reason {
    let quoted = names.iter().map(|(name, _)| format!("`{name}`"));
    Reason::WrongType {
        expected: format!("one of {}", quoted.collect::<Vec<_>>().join(", ")),
        got: nearest::shown(&node.to_json()),
    }
}
