//! Secrets that tasks name and the worker resolves: they are never part of a task.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where a worker finds the secrets that tasks ask for. Its operator decides; by default there
/// are none.
#[derive(Clone)]
pub struct Secrets {
    find: Arc<Find>,
}

impl Secrets {
    /// No secrets: attempts that need one do not start.
    pub fn none() -> Secrets {
        Secrets::new(|_| None)
    }

    /// Secrets found by a function from their names. It is called from the session's loop and
    /// must not block for long.
    pub fn new(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Secrets {
        Secrets {
            find: Arc::new(find),
        }
    }

    /// The secret `NAME` is the variable `PREFIXNAME` of the worker's own environment. The prefix
    /// keeps tasks from reading variables that are not meant for them.
    pub fn from_env(prefix: impl Into<String>) -> Secrets {
        let prefix = prefix.into();
        Secrets::new(move |name| std::env::var(format!("{prefix}{name}")).ok())
    }

    /// The secret `NAME` is the text of the file `NAME` in a folder, without its last line break.
    pub fn from_folder(folder: impl Into<PathBuf>) -> Secrets {
        let folder = folder.into();
        Secrets::new(move |name| {
            let plain = Path::new(name).file_name().is_some_and(|file| file == name);
            let text = plain
                .then(|| std::fs::read_to_string(folder.join(name)))?
                .ok()?;
            Some(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
        })
    }

    /// The secret `NAME` is the variable of the worker's own environment that is listed with it;
    /// what is not listed is nobody's.
    pub fn from_variables(listed: impl IntoIterator<Item = (String, String)>) -> Secrets {
        let listed: BTreeMap<String, String> = listed.into_iter().collect();
        Secrets::new(move |name| std::env::var(listed.get(name)?).ok())
    }

    /// These secrets, and those of `others` where these have none.
    pub fn or(self, others: Secrets) -> Secrets {
        Secrets::new(move |name| self.find(name).or_else(|| others.find(name)))
    }

    pub(super) fn find(&self, name: &str) -> Option<String> {
        (self.find)(name)
    }
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets::none()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_files_and_nothing_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("db"), "hunter2\n").expect("a file");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder");
        let secrets = Secrets::from_folder(folder.path());
        assert_eq!(secrets.find("db").as_deref(), Some("hunter2"));
        assert_eq!(secrets.find("absent"), None);
        assert_eq!(Secrets::from_folder(inner).find("../db"), None);
    }

    #[test]
    fn only_listed_variables_are_secrets_and_the_first_source_wins() {
        // Every process of the tests has it.
        let listed = [("manifest".to_owned(), "CARGO_MANIFEST_DIR".to_owned())];
        let variables = Secrets::from_variables(listed);
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(variables.find("manifest").as_deref(), Some(here));
        assert_eq!(variables.find("CARGO_MANIFEST_DIR"), None);
        let others = Secrets::new(|name| Some(format!("other {name}")));
        let both = variables.or(others);
        assert_eq!(both.find("manifest").as_deref(), Some(here));
        assert_eq!(both.find("x").as_deref(), Some("other x"));
    }
}
