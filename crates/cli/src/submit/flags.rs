//! The flags that say what a task is like, and the task spec they stand for.

use std::path::PathBuf;

use capataz_api::Span;
use clap::ValueEnum;
use serde_json::{Map, Value};

/// The group of a command that names none: the one that `dev` serves.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// What the tasks are like. With `--json-lines`, what a line leaves out.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "The task")]
pub(crate) struct TaskFlags {
    /// The group whose workers run it [default: default]
    #[arg(long, short = 'g', value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// 1 to 9, 9 most urgent [default: 5]
    #[arg(long, value_name = "N")]
    priority: Option<u32>,
    /// A tag to find it by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// What its command gets on stdin
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// The same, from a file, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    pub(crate) payload_file: Option<PathBuf>,
    /// An array of this many elements; each knows its CAPATAZ_INDEX
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// JSON that is kept with it and shown
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    meta: Option<Value>,
    /// Submitted again with the same key and request, it is the same task
    #[arg(long, value_name = "KEY")]
    dedup_key: Option<String>,
    /// Tries before it has failed [default: 1]
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// Pause after the first failed try; doubles with each further one
    #[arg(long, value_name = "DURATION", value_parser = parse_backoff)]
    backoff: Option<Value>,
    /// Lost workers before it has failed [default: 3]
    #[arg(long, value_name = "N")]
    max_lost: Option<u32>,
    /// How long a try may take
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Start it no sooner than after this time
    #[arg(long, value_name = "DURATION", conflicts_with = "run_at")]
    delay: Option<Span>,
    /// Start it no sooner than at this time, such as 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<String>,
    /// It has failed when it has not started after this time
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<Span>,
    /// A key of the workers that should have it first; may be repeated
    #[arg(long, value_name = "KEY")]
    affinity: Vec<String>,
    /// What its output is: the file CAPATAZ_OUTPUT, its stdout, or none
    /// [default: the file when it was written, else stdout]
    #[arg(long, value_name = "file|stdout|none", hide_possible_values = true)]
    #[arg(visible_alias = "output-from")]
    capture: Option<Capture>,
    /// A variable of its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// A variable that the worker fills with the secret of that name; may be repeated
    #[arg(long, value_name = "NAME[=SECRET]", value_parser = parse_secret)]
    env_secret: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Capture {
    File,
    Stdout,
    None,
}

impl TaskFlags {
    /// The task spec that was said, as the JSON object it is over REST; what was not said is not
    /// in it.
    pub(crate) fn spec(&self) -> Map<String, Value> {
        let mut spec = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                spec.insert(key.to_owned(), value);
            }
        };
        let span = |span: Option<Span>| span.map(|span| Value::String(span.to_string()));
        put("group", self.group.clone().map(Value::String));
        put("priority", self.priority.map(Value::from));
        put("tags", texts(&self.tags));
        put("payload", self.payload.clone().map(Value::String));
        put("count", self.count.map(Value::from));
        put("meta", self.meta.clone());
        put("dedup_key", self.dedup_key.clone().map(Value::String));
        put("max_attempts", self.max_attempts.map(Value::from));
        put("backoff", self.backoff.clone());
        put("max_lost", self.max_lost.map(Value::from));
        put("timeout", span(self.timeout));
        put("delay", span(self.delay));
        put("run_at", self.run_at.clone().map(Value::String));
        put("expires_in", span(self.expires_in));
        put("affinity", texts(&self.affinity));
        put("output", self.capture.map(Capture::name).map(Value::from));
        put("env", variables(&self.env));
        put("env_secret", variables(&self.env_secret));
        spec
    }
}

impl Capture {
    fn name(self) -> &'static str {
        match self {
            Capture::File => "file",
            Capture::Stdout => "stdout",
            Capture::None => "none",
        }
    }
}

fn texts(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| Value::from(texts))
}

fn variables(variables: &[(String, String)]) -> Option<Value> {
    let object = variables
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    (!variables.is_empty()).then(|| Value::Object(object.collect()))
}

fn parse_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// A duration, or the whole policy as a JSON object.
fn parse_backoff(text: &str) -> Result<Value, String> {
    if text.starts_with('{') {
        return parse_json(text).map_err(|error| error.to_string());
    }
    let span: Span = text
        .parse()
        .map_err(|error: capataz_api::ParseSpanError| error.to_string())?;
    Ok(Value::String(span.to_string()))
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn parse_secret(text: &str) -> Result<(String, String), String> {
    let (name, secret) = text.split_once('=').unwrap_or((text, text));
    if name.is_empty() || secret.is_empty() {
        return Err("expected NAME or NAME=SECRET".to_owned());
    }
    Ok((name.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_was_said_is_in_the_spec() {
        let nothing = TaskFlags::default();
        assert_eq!(Value::Object(nothing.spec()), json!({}));
        let said = TaskFlags {
            group: Some("g".into()),
            tags: vec!["a".into(), "b".into()],
            timeout: Some(Span(90_000_000)),
            env: vec![("K".into(), "V=1".into())],
            capture: Some(Capture::None),
            ..TaskFlags::default()
        };
        let spec = json!({
            "group": "g", "tags": ["a", "b"], "timeout": "1m 30s", "output": "none",
            "env": {"K": "V=1"},
        });
        assert_eq!(Value::Object(said.spec()), spec);
    }

    #[test]
    fn variables_and_secrets_are_pairs() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse_variable("A="), Ok(("A".into(), "".into())));
        assert!(parse_variable("A").is_err() && parse_variable("=b").is_err());
        assert_eq!(parse_secret("A"), Ok(("A".into(), "A".into())));
        assert_eq!(parse_secret("A=b"), Ok(("A".into(), "b".into())));
    }

    #[test]
    fn a_backoff_is_a_duration_or_an_object() {
        assert_eq!(parse_backoff("10s"), Ok(json!("10s")));
        assert_eq!(parse_backoff("{\"initial\": 1}"), Ok(json!({"initial": 1})));
        assert!(parse_backoff("soon").is_err_and(|error| error.contains("1m 30s")));
    }
}
