//! What CI runs, in its order: the quick checks first.

use std::process::Command;

use anyhow::{Context, Result, bail};

const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    (
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    // The README's test command.
    ("tests", &["test", "--workspace"]),
    (
        "documentation",
        &["doc", "--workspace", "--no-deps", "--locked"],
    ),
];

pub(crate) fn run() -> Result<()> {
    crate::tidy::run()?;
    for (name, arguments) in STEPS {
        eprintln!("== {name}: cargo {}", arguments.join(" "));
        let status = Command::new("cargo")
            .args(*arguments)
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(crate::root())
            .status()
            .with_context(|| format!("cargo {} did not start", arguments.join(" ")))?;
        if !status.success() {
            bail!("{name} failed: cargo {}", arguments.join(" "));
        }
    }
    Ok(())
}
