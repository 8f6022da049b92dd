//! A workflow on one line, such as `a; b after a:failure,c join any when; f after b fan 3`.

use capataz_engine::{Edge, Graph, Join, Node, NodeKind, On, Submission};

use super::line::Line;
use super::orders;

/// The steps of a line.
pub(crate) struct Sketch {
    pub(crate) steps: Vec<SketchedStep>,
}

/// One step of it.
pub(crate) struct SketchedStep {
    name: String,
    after: Vec<(String, On)>,
    line: Line,
    /// Its settings: what its tasks are like.
    tasks: String,
}

impl Sketch {
    pub(crate) fn parse(text: &str) -> Sketch {
        let steps = text.split(';').map(SketchedStep::parse);
        Sketch {
            steps: steps.collect(),
        }
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph {
            steps: self.steps.iter().map(|step| self.node(step)).collect(),
        }
    }

    pub(crate) fn find(&self, name: &str) -> usize {
        let found = self.steps.iter().position(|step| step.name == name);
        found.unwrap_or_else(|| panic!("there is no step {name}"))
    }

    fn node(&self, step: &SketchedStep) -> Node {
        let edge = |(name, on): &(String, On)| Edge {
            step: self.find(name) as u32,
            on: *on,
        };
        let line = &step.line;
        Node {
            name: step.name.clone(),
            after: step.after.iter().map(edge).collect(),
            join: match line.follows("join") {
                Some("any") => Join::Any,
                _ => Join::All,
            },
            kind: match (line.says("noop"), line.says("fan")) {
                (true, _) => NodeKind::Noop,
                (_, true) => NodeKind::FanOut,
                _ => NodeKind::Task,
            },
            conditional: line.says("when"),
            allow_failure: line.says("allow_failure"),
            keeps_output: line.says("keeps") || line.says("alters"),
            alters_message: line.says("alters"),
            parallelism: line.follows("parallelism").map(number),
        }
    }
}

impl SketchedStep {
    fn parse(text: &str) -> SketchedStep {
        let line = Line::parse(text);
        let settings = text.split_whitespace().filter(|word| word.contains('='));
        let after = line.follows("after").unwrap_or_default();
        let after = after.split(',').filter(|edge| !edge.is_empty()).map(edge);
        SketchedStep {
            name: line.words().first().expect("a step has a name").to_string(),
            after: after.collect(),
            tasks: settings.collect::<Vec<_>>().join(" "),
            line,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the template of the step, or of an element from this one on, cannot be worked out.
    pub(crate) fn breaks(&self, element: u32) -> bool {
        self.line.says("broken")
            || self
                .line
                .follows("breaks")
                .is_some_and(|from| element >= number(from))
    }

    pub(crate) fn items(&self) -> u32 {
        self.line.follows("fan").map_or(0, number)
    }

    pub(crate) fn tasks(&self, count: u32) -> Submission {
        orders::submission(&format!("submit {count} {}", self.tasks))
    }
}

fn edge(text: &str) -> (String, On) {
    let (name, on) = text.split_once(':').unwrap_or((text, "success"));
    let on = match on {
        "success" => On::Success,
        "failure" => On::Failure,
        "any" => On::Any,
        _ => panic!("no such edge: {text}"),
    };
    (name.to_owned(), on)
}

fn number(text: &str) -> u32 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}
