//! The list of options: what a file or the environment may set, and of which kind each is.

use capataz_api::Span;
use toml::Value;

use super::quantity::parse_size;

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Switch,
    Number,
    Duration,
    Size,
    List,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// Empty for the options of no section.
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
}

const fn option(section: &'static str, key: &'static str, kind: Kind) -> Named {
    Named { section, key, kind }
}

/// Every option, in the order of `default.toml`.
pub(crate) const OPTIONS: [Named; 39] = [
    option("", "server", Kind::Text),
    option("", "token", Kind::Text),
    option("", "tls_ca", Kind::Text),
    option("cli", "output", Kind::Text),
    option("serve", "data_dir", Kind::Text),
    option("serve", "listen", Kind::Text),
    option("serve", "tls_cert", Kind::Text),
    option("serve", "tls_key", Kind::Text),
    option("serve", "allow_plaintext", Kind::Switch),
    option("serve", "allowed_hosts", Kind::List),
    option("serve", "lease_ttl", Kind::Duration),
    option("serve", "drain", Kind::Duration),
    option("serve", "retention_age", Kind::Duration),
    option("serve", "retention_tasks", Kind::Number),
    option("serve", "retention_runs", Kind::Number),
    option("serve", "disk_quota", Kind::Size),
    option("serve", "disk_reserve", Kind::Size),
    option("serve", "max_dedup_keys", Kind::Number),
    option("serve", "in_memory", Kind::Switch),
    option("serve", "log", Kind::Text),
    option("serve", "log_format", Kind::Text),
    option("worker", "groups", Kind::List),
    option("worker", "pod", Kind::Text),
    option("worker", "pod_slots", Kind::Number),
    option("worker", "concurrency", Kind::Number),
    option("worker", "name", Kind::Text),
    option("worker", "allow_commands", Kind::Switch),
    option("worker", "env_pass", Kind::List),
    option("worker", "affinity", Kind::List),
    option("worker", "remember", Kind::Number),
    option("worker", "memory_limit", Kind::Size),
    option("worker", "cpu_limit", Kind::Duration),
    option("worker", "open_files", Kind::Number),
    option("worker", "drain", Kind::Duration),
    option("worker", "secrets", Kind::List),
    option("worker", "secrets_dir", Kind::Text),
    option("worker", "state_dir", Kind::Text),
    option("worker", "log", Kind::Text),
    option("worker", "log_format", Kind::Text),
];

impl Named {
    /// Its name with its section: `serve.listen`.
    pub(crate) fn path(&self) -> String {
        match self.section {
            "" => self.key.to_owned(),
            section => format!("{section}.{}", self.key),
        }
    }

    /// Its environment variable: `CAPATAZ_SERVE_LISTEN`.
    pub(crate) fn variable(&self) -> String {
        format!("CAPATAZ_{}", self.path().replace('.', "_").to_uppercase())
    }
}

impl Kind {
    /// What is expected, for an error.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Switch => "true or false",
            Kind::Number => "a whole number that is not negative",
            Kind::Duration => "a duration such as \"1m 30s\", or seconds",
            Kind::Size => "a size such as \"256 MiB\", or bytes",
            Kind::List => "a list of texts",
        }
    }

    /// Whether a file's value is of this kind.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Text, Value::String(_)) | (Kind::Switch, Value::Boolean(_)) => true,
            (Kind::Number | Kind::Duration | Kind::Size, Value::Integer(number)) => *number >= 0,
            (Kind::Duration, Value::String(text)) => text.parse::<Span>().is_ok(),
            (Kind::Size, Value::String(text)) => parse_size(text).is_ok(),
            (Kind::List, Value::Array(items)) => items.iter().all(Value::is_str),
            _ => false,
        }
    }

    /// The value that an environment variable's text stands for; `None` when it is none.
    pub(crate) fn read(self, text: &str) -> Option<Value> {
        let value = match self {
            Kind::Text | Kind::Duration | Kind::Size => Value::String(text.to_owned()),
            Kind::Switch => Value::Boolean(match text {
                "true" | "1" | "yes" => true,
                "false" | "0" | "no" => false,
                _ => return None,
            }),
            Kind::Number => Value::Integer(text.replace('_', "").parse().ok()?),
            Kind::List => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
        };
        Some(value).filter(|value| self.accepts(value))
    }
}
