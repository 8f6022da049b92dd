//! Lays the file and the environment over the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Settings;
use super::options::{Named, OPTIONS};
use crate::failure::Told;
use crate::nearest::nearest;

/// The file that is read when none is named, if it is there.
const FILE: &str = "capataz.toml";

/// The defaults, which are also the documentation.
pub(super) const DEFAULTS: &str = include_str!("default.toml");

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the settings file {} cannot be read: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("the settings file {} is no TOML: {message}", path.display())]
    NoToml { path: PathBuf, message: String },
    #[error("{place} must be {expected}, and is {got}")]
    WrongValue {
        place: String,
        expected: &'static str,
        got: String,
    },
    #[error("{place} is not UTF-8")]
    NotUtf8 { place: String },
    #[error("the settings do not fit together: {0}")]
    Misfit(toml::de::Error),
}

impl Told for SettingsError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            SettingsError::Unreadable { .. } => "--config names another file",
            SettingsError::NoToml { .. } => "docs/reference/configuration.md shows a whole file",
            SettingsError::WrongValue { .. } | SettingsError::Misfit(_) => {
                "docs/reference/configuration.md lists every option and its values"
            }
            SettingsError::NotUtf8 { .. } => "unset it, or write it in UTF-8",
        };
        Some(hint.to_owned())
    }
}

/// The settings of this process and what to warn of, one sentence each.
///
/// `file` is the file that was asked for; `variable` looks up the environment.
pub(crate) fn load(
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(Settings, Vec<String>), SettingsError> {
    let mut merged: Table = DEFAULTS
        .parse()
        .expect("a test reads the compiled-in defaults");
    let mut warnings = Vec::new();
    let named = file
        .map(Path::to_owned)
        .or_else(|| variable("CAPATAZ_CONFIG").map(PathBuf::from));
    if let Some((path, table)) = read_file(named)? {
        lay_file(&path, table, &mut merged, &mut warnings)?;
    }
    for option in &OPTIONS {
        if let Some(text) = variable(&option.variable()).filter(|text| !text.is_empty()) {
            put(&mut merged, option, read_variable(option, text)?);
        }
    }
    let settings = Value::Table(merged)
        .try_into()
        .map_err(SettingsError::Misfit)?;
    Ok((settings, warnings))
}

/// The file that is named, which must be there; else the one that may be.
fn read_file(named: Option<PathBuf>) -> Result<Option<(PathBuf, Table)>, SettingsError> {
    let must = named.is_some();
    let path = named.unwrap_or_else(|| PathBuf::from(FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && !must => return Ok(None),
        Err(cause) => return Err(SettingsError::Unreadable { path, cause }),
    };
    match text.parse() {
        Ok(table) => Ok(Some((path, table))),
        Err(error) => Err(SettingsError::NoToml {
            message: one_line(&error, &text),
            path,
        }),
    }
}

fn one_line(error: &toml::de::Error, text: &str) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1;
    format!("{}, in line {line}", error.message())
}

fn lay_file(
    path: &Path,
    table: Table,
    merged: &mut Table,
    warnings: &mut Vec<String>,
) -> Result<(), SettingsError> {
    let is_section = |name: &str| {
        OPTIONS
            .iter()
            .any(|o| !name.is_empty() && o.section == name)
    };
    let mut values: Vec<(String, Value)> = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) if is_section(&name) => {
                values.extend(
                    section
                        .into_iter()
                        .map(|(key, v)| (format!("{name}.{key}"), v)),
                );
            }
            value => values.push((name, value)),
        }
    }
    for (name, value) in values {
        let Some(option) = OPTIONS.iter().find(|option| option.path() == name) else {
            warnings.push(unknown(path, &name));
            continue;
        };
        if !option.kind.accepts(&value) {
            let place = format!("{name} in {}", path.display());
            let (expected, got) = (option.kind.expected(), value.to_string());
            return Err(SettingsError::WrongValue {
                place,
                expected,
                got,
            });
        }
        put(merged, option, value);
    }
    Ok(())
}

fn unknown(path: &Path, name: &str) -> String {
    let known: Vec<String> = OPTIONS.iter().map(Named::path).collect();
    let meant = nearest(name, known.iter().map(String::as_str));
    let meant = meant
        .map(|known| format!("; did you mean {known}?"))
        .unwrap_or_default();
    format!(
        "{}: {name} is no option and is ignored{meant}",
        path.display()
    )
}

fn read_variable(option: &Named, text: OsString) -> Result<Value, SettingsError> {
    let place = format!("the variable {}", option.variable());
    let text = match text.into_string() {
        Ok(text) => text,
        Err(_) => return Err(SettingsError::NotUtf8 { place }),
    };
    option.kind.read(&text).ok_or_else(|| {
        let expected = option.kind.expected();
        SettingsError::WrongValue {
            place,
            expected,
            got: format!("{text:?}"),
        }
    })
}

fn put(merged: &mut Table, option: &Named, value: Value) {
    let section = match option.section {
        "" => merged,
        name => match merged
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()))
        {
            Value::Table(section) => section,
            _ => return,
        },
    };
    section.insert(option.key.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &str, variables: &[(&str, &str)]) -> Result<(Settings, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capataz.toml");
        std::fs::write(&path, file).unwrap();
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| OsString::from(text))
        };
        load(Some(&path), find).map_err(|error| {
            error
                .to_string()
                .replace(&path.display().to_string(), "FILE")
        })
    }

    #[test]
    fn the_compiled_in_file_documents_every_option_and_no_other() {
        for option in &OPTIONS {
            let text = match option.section {
                "" => DEFAULTS.split("\n[").next().unwrap(),
                section => {
                    let head = format!("\n[{section}]\n");
                    let rest = DEFAULTS.split_once(&head).expect("a section").1;
                    rest.split("\n[").next().unwrap()
                }
            };
            let starts = [
                format!("\n{} = ", option.key),
                format!("\n# {} = ", option.key),
            ];
            let text = format!("\n{text}");
            assert!(
                starts.iter().any(|start| text.contains(start)),
                "{}",
                option.path()
            );
        }
        let uncommented: String = DEFAULTS
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.split(" = ").next().unwrap().chars().all(is_key) => rest,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let (settings, warnings) = settings(&uncommented, &[]).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(settings.worker.pod.as_deref(), Some("cpu"));
        assert_eq!(
            settings.worker.cpu_limit,
            Some(capataz_api::Span(3_600_000_000))
        );
    }

    fn is_key(letter: char) -> bool {
        letter.is_ascii_lowercase() || letter == '_'
    }

    #[test]
    fn a_variable_beats_the_file_and_the_file_beats_the_default() {
        let file = "[serve]\nlisten = \"127.0.0.1:1\"\nlease_ttl = 5\n";
        let (settings, _) = settings(file, &[("CAPATAZ_SERVE_LISTEN", "127.0.0.1:2")]).unwrap();
        assert_eq!(settings.serve.listen, "127.0.0.1:2");
        assert_eq!(settings.serve.lease_ttl.0, 5_000_000);
        assert_eq!(settings.serve.disk_reserve.0, 512 << 20);
        assert_eq!(settings.server, "http://127.0.0.1:7117");
    }

    #[test]
    fn a_list_in_a_variable_is_separated_by_commas() {
        let (settings, _) = settings("", &[("CAPATAZ_WORKER_GROUPS", "a, b,")]).unwrap();
        assert_eq!(settings.worker.groups, ["a", "b"]);
    }

    #[test]
    fn an_unknown_key_is_a_warning_with_the_nearest_name() {
        let (_, warnings) = settings("[nonsense]\nx = 1\n[serve]\nlistn = \"x\"\n", &[]).unwrap();
        assert!(
            warnings[0].ends_with("nonsense is no option and is ignored"),
            "{warnings:?}"
        );
        let meant = "serve.listn is no option and is ignored; did you mean serve.listen?";
        assert!(warnings[1].ends_with(meant), "{warnings:?}");
    }

    #[test]
    fn unknown_variables_are_ignored_those_of_an_attempt_among_them() {
        let variables = [
            ("CAPATAZ_OUTPUT", "/x"),
            ("CAPATAZ_WORKER", "w"),
            ("CAPATAZ_FOO", ""),
        ];
        let (settings, warnings) = settings("", &variables).unwrap();
        assert_eq!((settings.cli.output.as_str(), warnings.len()), ("table", 0));
    }

    #[test]
    fn wrong_values_name_their_place_and_what_was_expected() {
        let in_file = settings("[worker]\npod_slots = \"many\"\n", &[]).unwrap_err();
        let expected = "worker.pod_slots in FILE must be a whole number that is not negative";
        assert!(in_file.starts_with(expected), "{in_file}");
        let in_env = settings("", &[("CAPATAZ_SERVE_LEASE_TTL", "soon")]).unwrap_err();
        let expected = "the variable CAPATAZ_SERVE_LEASE_TTL must be a duration";
        assert!(in_env.starts_with(expected), "{in_env}");
        let no_toml = settings("\n[serve\n", &[]).unwrap_err();
        assert!(
            no_toml.contains("is no TOML") && no_toml.ends_with("in line 2"),
            "{no_toml}"
        );
    }

    #[test]
    fn a_named_file_must_be_there() {
        let missing = load(Some(Path::new("/nonexistent/capataz.toml")), |_| None);
        assert!(matches!(missing, Err(SettingsError::Unreadable { .. })));
    }

    #[test]
    fn the_documentation_shows_the_whole_file() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/configuration.md"
        );
        let page = std::fs::read_to_string(path).unwrap();
        let shown = format!("```toml\n{DEFAULTS}```");
        assert!(
            page.contains(&shown),
            "docs/reference/configuration.md shows another file"
        );
    }
}
