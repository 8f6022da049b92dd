//! What the command line takes, and what it refuses.

use std::path::Path;

use clap::CommandFactory;

use super::*;

/// Columns of the help in the documentation.
const WIDTH: usize = 100;

/// Set it to write the page instead of comparing it.
const UPDATE: &str = "CAPATAZ_UPDATE_DOCS";

const HEAD: &str = "\
# Commands

Every command with its help, as `capataz COMMAND --help` prints it. This page is written by the
tests of `crates/cli` (`CAPATAZ_UPDATE_DOCS=1 cargo test -p capataz-cli`).

stdout is data, stderr is talk. Exit codes: 0 success, 1 usage or connection, 2 the work failed,
3 cancelled, 4 timed out waiting, 5 not found.
";

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

fn refused(line: &str) -> String {
    parse(line)
        .err()
        .unwrap_or_else(|| panic!("{line} was taken"))
        .to_string()
}

/// Sections for a command and everything below it.
fn describe(command: &mut clap::Command, name: &str, page: &mut String) {
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!(
        "\n## {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    ));
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" && !below.is_hide_set() {
            let name = format!("{name} {}", below.get_name());
            describe(below, &name, page);
        }
    }
}

#[test]
fn the_documentation_has_the_help_of_every_command() {
    let mut command = Arguments::command().term_width(WIDTH);
    command.build();
    let mut page = HEAD.to_owned();
    describe(&mut command, "capataz", &mut page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == page,
        "docs/reference/cli.md is old: run the tests with {UPDATE}=1"
    );
}

#[test]
fn every_argument_has_a_help_text() {
    fn check(command: &clap::Command) {
        for argument in command.get_arguments() {
            let told = argument.get_help().is_some() || argument.is_hide_set();
            assert!(told, "{} of {}", argument.get_id(), command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    let command = Arguments::command();
    command.clone().debug_assert();
    check(&command);
}

#[test]
fn worker_is_a_command_and_a_noun() {
    for line in [
        "capataz worker --group g --group h --pod p --allow-commands",
        "capataz worker --group g --pod p --pod-slots 4 --concurrency 2 -- ./handler --flag",
        "capataz worker list",
        "capataz worker drain w --output json",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert!(refused("capataz worker --group g list").contains("list"));
    let both = refused("capataz worker --group g --pod p --allow-commands -- ./handler");
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn submissions_come_in_three_forms_that_exclude_each_other() {
    for line in [
        "capataz submit --group g -- sha256sum f",
        "capataz submit --group g --each-line f --tag a --tag b --wait -- sha256sum {}",
        "capataz submit --json-lines - --progress",
        "capataz submit --group g --payload x --priority 9 --delay 1m --count 5",
        "capataz submit --group g --output-from none -o json -- true",
        "capataz submit -- true",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
    }
    assert!(refused("capataz submit --each-line a --json-lines b").contains("cannot be used"));
    assert!(refused("capataz submit --json-lines b -- true").contains("cannot be used"));
    assert!(refused("capataz submit --group g --delay soon").contains("1m 30s"));
    assert!(refused("capataz submit --group g --env NAME").contains("NAME=VALUE"));
}

#[test]
fn waiting_needs_to_be_told_for_what() {
    for line in [
        "wait 1 2.3",
        "wait --group g --timeout 1m",
        "wait --tag t --progress",
    ] {
        assert!(parse(&format!("capataz {line}")).is_ok(), "{line}");
    }
    assert!(refused("capataz wait").contains("required"));
    assert!(refused("capataz wait 1 --tag t").contains("cannot be used with"));
}

#[test]
fn shared_flags_stand_before_or_after_the_command() {
    let after = parse("capataz stats --server http://h:1 -o quiet")
        .unwrap()
        .shared;
    let before = parse("capataz --server http://h:1 -o quiet stats")
        .unwrap()
        .shared;
    assert_eq!((after.server, after.output), (before.server, before.output));
    assert!(refused("capataz stats -o yaml").contains("json"));
}

#[test]
fn lists_take_states_in_either_spelling() {
    assert!(parse("capataz task list --state failed,canceled --limit 10000").is_ok());
    assert!(refused("capataz task list --state lost").contains("succeeded"));
    assert!(refused("capataz task list --limit 0").contains("1..=10000"));
    assert!(refused("capataz pod set p").contains("--slots"));
}
