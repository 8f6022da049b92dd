//! The environment of an attempt: an allow-list of the worker's own variables, then the task's,
//! then what Capataz says. Nothing else of the worker reaches an attempt, its token least of all.

use crate::executor::Assignment;
use crate::process::config::{CommandPolicy, ProcessConfig};

/// What attempts always get from the worker's environment; `LC_*` besides.
const PASSED: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "USER", "TMPDIR"];

/// Ours: a task cannot set them.
const OWN_PREFIX: &str = "CAPATAZ_";

/// What the master tells a step of a run; no client can.
const OF_STEPS: [&str; 3] = ["CAPATAZ_RUN", "CAPATAZ_STEP", "CAPATAZ_ELEMENT"];

/// Variables by which a task could run code of its own in a command that its operator fixed. Not a
/// complete list, since every interpreter has some; a fixed command that is one should clean up.
const HIJACKING: [&str; 8] = [
    "PATH",
    "BASH_ENV",
    "ENV",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PERL5OPT",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
];

/// The same, for the dynamic linker.
const HIJACKING_PREFIX: &str = "LD_";

/// The variables all attempts of a worker begin with.
pub(super) fn of_worker(
    config: &ProcessConfig,
    own: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<(String, String)> {
    let passed = |name: &str| {
        PASSED.contains(&name)
            || name.starts_with("LC_")
            || config.env_pass.iter().any(|wanted| wanted == name)
    };
    // A name or value that is not UTF-8 is left out: it could not be shown or logged either.
    let own =
        own.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut env: Vec<_> = own.filter(|(name, _)| passed(name)).collect();
    env.push(("CAPATAZ_WORKER".to_owned(), config.worker.clone()));
    env.push(("CAPATAZ_POD".to_owned(), config.pod.clone()));
    env
}

/// Why a task's environment is refused; always for good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error("env: {name:?} is no name of a variable (expected no `=`, no NUL, not empty)")]
    BadName { name: String },
    #[error("env: the value of {name} holds a NUL byte")]
    BadValue { name: String },
    #[error("env: {name} is set by Capataz itself")]
    Own { name: String },
    #[error("env: {name} may not be set here: this worker's command is fixed by its operator")]
    Hijacking { name: String },
}

/// The task's variables and ours for one attempt.
pub(super) fn of_attempt(
    assignment: &Assignment,
    policy: &CommandPolicy,
) -> Result<Vec<(String, String)>, EnvironmentError> {
    let fixed = matches!(policy, CommandPolicy::Fixed(_));
    for (name, value) in &assignment.env {
        check(name, value, fixed)?;
    }
    let mut env = assignment.env.clone();
    let mut own = |name: &str, value: String| env.push((format!("{OWN_PREFIX}{name}"), value));
    own("TASK_ID", assignment.task.clone());
    own("ATTEMPT", assignment.attempt.to_string());
    own("GROUP", assignment.group.clone());
    own("PRIORITY", assignment.priority.to_string());
    if let Some(index) = assignment.index {
        own("INDEX", index.to_string());
    }
    if !assignment.tags.is_empty() {
        // Tags may hold any character, so no separator would do.
        own(
            "TAGS",
            serde_json::Value::from(assignment.tags.clone()).to_string(),
        );
    }
    if !assignment.meta.is_empty() {
        own("META", assignment.meta.clone());
    }
    Ok(env)
}

fn check(name: &str, value: &str, fixed: bool) -> Result<(), EnvironmentError> {
    let name_of = || name.to_owned();
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(EnvironmentError::BadName { name: name_of() });
    }
    if value.contains('\0') {
        return Err(EnvironmentError::BadValue { name: name_of() });
    }
    if name.starts_with(OWN_PREFIX) && !OF_STEPS.contains(&name) {
        return Err(EnvironmentError::Own { name: name_of() });
    }
    if fixed && (HIJACKING.contains(&name) || name.starts_with(HIJACKING_PREFIX)) {
        return Err(EnvironmentError::Hijacking { name: name_of() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Assignment {
        Assignment {
            env: vec![(name.into(), value.into())],
            ..Assignment::default()
        }
    }

    #[test]
    fn only_what_is_listed_comes_from_the_worker() {
        let mut config = ProcessConfig::new("w", "p", CommandPolicy::AllowTasks);
        config.env_pass.push("JAVA_HOME".into());
        let own = [
            "PATH",
            "LC_ALL",
            "JAVA_HOME",
            "CAPATAZ_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
        ];
        let env = of_worker(&config, own.iter().map(|name| (name.into(), "x".into())));
        let names: Vec<_> = env.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "PATH",
                "LC_ALL",
                "JAVA_HOME",
                "CAPATAZ_WORKER",
                "CAPATAZ_POD"
            ]
        );
    }

    #[test]
    fn a_task_cannot_speak_for_capataz_nor_hijack_a_fixed_command() {
        let fixed = CommandPolicy::Fixed(vec!["/bin/true".into()]);
        let of = |name, policy: &CommandPolicy| of_attempt(&with(name, "x"), policy);
        let own = of("CAPATAZ_TASK_ID", &CommandPolicy::AllowTasks);
        assert_eq!(
            own,
            Err(EnvironmentError::Own {
                name: "CAPATAZ_TASK_ID".into()
            })
        );
        for name in ["LD_PRELOAD", "PATH", "BASH_ENV"] {
            assert!(matches!(
                of(name, &fixed),
                Err(EnvironmentError::Hijacking { .. })
            ));
            assert!(of(name, &CommandPolicy::AllowTasks).is_ok());
        }
        assert!(matches!(
            of("A=B", &fixed),
            Err(EnvironmentError::BadName { .. })
        ));
        assert!(of("CURVE", &fixed).is_ok());
    }
}
