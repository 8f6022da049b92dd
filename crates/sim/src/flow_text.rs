//! A random workflow as the document that the server is given.

use serde_json::{Map, Value, json};

use crate::flow::{Deeds, Flow, FlowStep, HOLD_SECONDS, HOLD_SECONDS_MAX, On, RESULT_NUMBER, When};

impl Flow {
    /// The document.
    pub(crate) fn text(&self) -> String {
        let steps = self.steps.iter().enumerate();
        let steps: Vec<Value> = steps.map(|(number, step)| step.document(number)).collect();
        let mut document = json!({
            "name": self.name,
            "parameters": {
                "number": { "type": "integer" },
                "n": { "type": "integer" },
                "list": { "type": "list" },
            },
            "sticky": self.sticky,
            "steps": steps,
        });
        if let Some(most) = self.max_runs {
            document["max_runs"] = json!(most);
        }
        if let Some(most) = self.max_steps {
            document["max_steps"] = json!(most);
        }
        if let Some(after) = self.hold_after {
            document["backoff"] = json!({
                "after": after,
                "initial": HOLD_SECONDS,
                "factor": 2,
                "max": HOLD_SECONDS_MAX,
            });
        }
        if self.message {
            document["message"] = json!("begin ${params.n}");
        }
        if let Some(repeat) = self.repeat {
            document["repeat"] = json!({
                "until": repeat.until.expression(),
                "params": { "n": "${params.n + 1}" },
                "max": repeat.max,
            });
        }
        if let Some(reads) = &self.result {
            let mut result = Map::new();
            result.insert(RESULT_NUMBER.to_owned(), json!("${params.n}"));
            for step in reads {
                result.insert(format!("s{step}"), json!(output_or_nothing(*step)));
            }
            document["result"] = Value::Object(result);
        }
        document.to_string()
    }
}

impl When {
    fn expression(self) -> String {
        match self {
            When::AtLeast(least) => format!("params.n >= {least}"),
            When::Returned(step, least) => {
                format!("'s{step}' in outputs && size(outputs.s{step}) >= {least}")
            }
        }
    }
}

/// A template that gives what a step returned.
fn output_or_nothing(step: usize) -> String {
    format!("${{'s{step}' in outputs ? outputs.s{step} : 'nothing'}}")
}

impl FlowStep {
    /// Its part of the document.
    pub(crate) fn document(&self, number: usize) -> Value {
        let edge = |(step, on): &(usize, On)| {
            let on = match on {
                On::Success => "success",
                On::Failure => "failure",
                On::Any => "any",
            };
            json!({ "step": format!("s{step}"), "on": on })
        };
        let mut document = json!({
            "id": format!("s{number}"),
            "after": self.after.iter().map(edge).collect::<Vec<Value>>(),
            "join": if self.any { "any" } else { "all" },
            "allow_failure": self.allow_failure,
        });
        if let Some(when) = self.when {
            document["when"] = json!(when.expression());
        }
        let work = match self.deeds {
            Deeds::Nothing => {
                document["noop"] = json!(true);
                return document;
            }
            Deeds::One(work) => work,
            Deeds::Each(source, work) => {
                document["for_each"] = json!(match source {
                    None => "params.list".to_owned(),
                    Some(step) => format!("'s{step}' in outputs ? outputs.s{step} : params.list"),
                });
                document["env"]["ITEM"] = json!("${item}");
                work
            }
        };
        if let Some(step) = self.reads {
            document["env"]["READ"] = json!(output_or_nothing(step));
        }
        if self.reads_message {
            document["env"]["MESSAGE"] = json!("${message}");
        }
        if self.alters_message {
            document["alters_message"] = json!(true);
        }
        if let Some(most) = self.parallelism {
            document["parallelism"] = json!(most);
        }
        if self.delay {
            document["delay"] = json!(2);
        }
        document["payload"] = json!(String::from_utf8_lossy(&work.payload()));
        document["group"] = json!(format!("g{}", self.group));
        document["priority"] = json!(self.priority);
        document["max_attempts"] = json!(self.max_attempts);
        document
    }
}
