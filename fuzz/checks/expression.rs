//! Expressions over a run that is JSON: refused before they are evaluated, or evaluated with an end,
//! and always to the same value.

use std::borrow::Cow;

use capataz_workflow::{Definition, Output, Parameter, Scope, StepDefinition, Workflow};
use serde_json::{Value, json};

/// What an expression sees.
struct Run {
    params: Value,
    output: Option<Vec<u8>>,
    elements: Option<Vec<Option<Vec<u8>>>>,
    message: Option<Vec<u8>>,
    item: Value,
}

/// The first line is an expression, and a text with templates. The rest is what it sees, in JSON:
/// `params`, `output` (of the step `a`), `elements` (of `e`), `message` and `item`.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (expression, run) = text.split_once('\n').unwrap_or((text, ""));
    let run = Run::read(run);
    let bare = StepDefinition::new("b")
        .when(expression)
        .for_each(expression);
    let template = StepDefinition::new("b")
        .for_each("[1]")
        .argv([expression])
        .payload(expression);
    for step in [bare, template] {
        let definition = Definition::new("w")
            .parameter("p", Parameter::object().default(json!({})))
            .step(StepDefinition::new("a").group("g"))
            .step(StepDefinition::new("e").group("g").for_each("[1]"))
            .step(step.group("g").after("a").after("e"));
        if let Ok(workflow) = Workflow::from_definition(&definition) {
            assert_eq!(given(&workflow, &run), given(&workflow, &run));
        }
    }
}

/// Everything that the last step is given.
fn given(workflow: &Workflow, run: &Run) -> [Result<Value, String>; 3] {
    let inputs = workflow.inputs(2, run);
    let given = [
        inputs.when().map(Value::Bool),
        inputs.items().map(Value::Array),
        inputs.task(Some((0, &run.item))),
    ];
    given.map(|value| value.map_err(|error| error.to_string()))
}

impl Run {
    fn read(text: &str) -> Run {
        let run: Value = serde_json::from_str(text).unwrap_or_default();
        let bytes = |value: &Value| value.to_string().into_bytes();
        let elements = run["elements"].as_array().map(|elements| {
            let output = |value: &Value| (!value.is_null()).then(|| bytes(value));
            elements.iter().map(output).collect()
        });
        Run {
            params: json!({"p": run["params"]}),
            output: run.get("output").map(bytes),
            elements,
            message: run.get("message").map(bytes),
            item: run["item"].clone(),
        }
    }
}

impl Scope for Run {
    fn run_id(&self) -> &str {
        "r1"
    }

    fn version(&self) -> u64 {
        1
    }

    fn params(&self) -> &Value {
        &self.params
    }

    fn output(&self, step: usize) -> Output<'_> {
        match (step, &self.output, &self.elements) {
            (0, Some(output), _) => Output::One(Cow::Borrowed(output)),
            (1, _, Some(elements)) => {
                let elements = elements.iter().map(|it| it.as_deref().map(Cow::Borrowed));
                Output::Elements(elements.collect())
            }
            _ => Output::None,
        }
    }

    fn state(&self, _: usize) -> &str {
        "succeeded"
    }

    fn message(&self) -> Option<Cow<'_, [u8]>> {
        self.message.as_deref().map(Cow::Borrowed)
    }
}
