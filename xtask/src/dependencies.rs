//! Where dependencies come from and under which licences: read from the lock files and from what
//! Cargo knows of each package, so that no tool and no service is asked.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

/// Every lock file of the repository.
const LOCKS: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock"];
/// Licences that ask for no more than to be named. Another one is a decision, not a dependency.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Checks the lock files and the packages that `cargo metadata` tells of.
pub(crate) fn check(metadata: &Value, faults: &mut Vec<String>) -> Result<()> {
    let mut registries = BTreeSet::new();
    for lock in LOCKS {
        let text = fs::read_to_string(crate::root().join(lock))
            .with_context(|| format!("{lock} cannot be read"))?;
        check_sources(lock, &text, &mut registries, faults);
    }
    if registries.len() > 1 {
        faults.push(format!("more than one registry: {registries:?}"));
    }
    for package in metadata["packages"].as_array().into_iter().flatten() {
        check_licence(package, faults);
    }
    Ok(())
}

/// Code comes from one registry, by its checksum, or from this repository. What a branch of
/// somebody's repository is today, it need not be tomorrow.
fn check_sources(
    lock: &str,
    text: &str,
    registries: &mut BTreeSet<String>,
    faults: &mut Vec<String>,
) {
    for package in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
        };
        let name = field("name").unwrap_or_default();
        match field("source").map(|source| source.trim_matches('"')) {
            // Of the workspace.
            None => {}
            Some(source) if source.starts_with("registry+") && field("checksum").is_some() => {
                registries.insert(source.to_owned());
            }
            Some(source) => faults.push(format!("{lock}: {name} comes from {source}")),
        }
    }
}

fn check_licence(package: &Value, faults: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let licence = package["license"].as_str().unwrap_or("no licence");
    if !may_be_used(licence) {
        faults.push(format!(
            "{name}: {licence:?} is not among the licences in dependencies.rs"
        ));
    }
}

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` leaves a choice that may be
/// used.
fn may_be_used(licence: &str) -> bool {
    let spaced = licence
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words) && words.next().is_none()
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut may = all(words);
    while words.next_if_eq(&"OR").is_some() {
        may |= all(words);
    }
    may
}

fn all(words: &mut Words<'_>) -> bool {
    let mut may = one(words);
    while words.next_if_eq(&"AND").is_some() {
        may &= one(words);
    }
    may
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let may = any(words);
        return words.next() == Some(")") && may;
    }
    let may = words.next().is_some_and(|word| LICENCES.contains(&word));
    // An exception only adds to what is allowed.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    may
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_read_as_the_choice_that_it_is() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(may_be_used(good), "{good}");
        }
        for bad in [
            "",
            "no licence",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MIT Apache-2.0",
            "(MIT",
        ] {
            assert!(!may_be_used(bad), "{bad}");
        }
    }

    #[test]
    fn code_from_elsewhere_than_one_registry_is_found() {
        let lock = "[[package]]\nname = \"own\"\n\n[[package]]\nname = \"good\"\n\
            source = \"registry+one\"\nchecksum = \"00\"\n\n[[package]]\nname = \"branch\"\n\
            source = \"git+elsewhere\"\n\n[[package]]\nname = \"unsure\"\n\
            source = \"registry+one\"\n";
        let (mut registries, mut faults) = (BTreeSet::new(), Vec::new());
        check_sources("Cargo.lock", lock, &mut registries, &mut faults);
        assert_eq!(registries.len(), 1);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("branch") && faults[1].contains("unsure"));
    }
}
