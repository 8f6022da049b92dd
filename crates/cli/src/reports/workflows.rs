//! Workflows: a page of them, one with its versions, and what came of registering one.

use capataz_api::rest::{Workflow, WorkflowDetail, WorkflowPage, WorkflowPut};
use serde::Serialize;

use super::{at, some};
use crate::output::{Report, Sheet};

/// A workflow that was registered.
#[derive(Serialize)]
pub(crate) struct Registered {
    #[serde(flatten)]
    pub(crate) put: WorkflowPut,
    /// Whether this very version was the current one before.
    pub(crate) known: bool,
}

impl Report for Registered {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        let WorkflowPut { name, version, .. } = &self.put;
        let known = if self.known { ", as before" } else { "" };
        sheet.row([format!("{name}: version {version}{known}")]);
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.put.name.clone()]
    }
}

impl Report for WorkflowPage {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "WORKFLOW",
            "VERSION",
            "STEPS",
            "RUNNING",
            "WAITING",
            "TASKS",
            "HELD UNTIL",
            "REGISTERED",
            "DESCRIPTION",
        ]);
        for workflow in &self.items {
            sheet.row([
                workflow.name.clone(),
                number(workflow.version),
                workflow.steps.to_string(),
                of_at_most(workflow.running, workflow.max_runs),
                workflow.waiting.to_string(),
                of_at_most(workflow.tasks, workflow.max_steps),
                at(workflow.held_until),
                at(workflow.registered_at),
                super::shorten(&some(&workflow.description)),
            ]);
        }
        if let Some(cursor) = &self.cursor {
            sheet.note(format!("more: --cursor {cursor}"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        let names = self.items.iter().map(|workflow| workflow.name.clone());
        names.collect()
    }
}

impl Report for WorkflowDetail {
    fn sheet(&self) -> Sheet {
        let workflow = &self.workflow;
        let mut sheet = Sheet::of_fields([
            ("name", workflow.name.clone()),
            ("version", number(workflow.version)),
            ("description", some(&workflow.description)),
            ("registered", at(workflow.registered_at)),
            ("steps", workflow.steps.to_string()),
            ("running", of_at_most(workflow.running, workflow.max_runs)),
            ("waiting", workflow.waiting.to_string()),
            ("tasks", of_at_most(workflow.tasks, workflow.max_steps)),
            ("held", held(workflow)),
        ]);
        for version in &self.versions {
            let (stored, runs) = (at(Some(version.stored_at)), version.runs);
            sheet.row([
                format!("version {}", version.version),
                format!("{stored}, {runs} runs"),
            ]);
        }
        sheet.note(format!(
            "its definition: capataz workflow show {} --format yaml",
            workflow.name
        ));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.workflow.name.clone()]
    }
}

fn number(version: Option<u32>) -> String {
    version
        .map(|version| version.to_string())
        .unwrap_or_default()
}

fn of_at_most(count: u32, most: Option<u32>) -> String {
    match most {
        Some(most) => format!("{count} of {most}"),
        None => count.to_string(),
    }
}

fn held(workflow: &Workflow) -> String {
    match workflow.held_until {
        Some(_) => format!(
            "until {}: {} runs failed in a row (`capataz workflow clear {}` ends it)",
            at(workflow.held_until),
            workflow.failures,
            workflow.name
        ),
        None => String::new(),
    }
}
