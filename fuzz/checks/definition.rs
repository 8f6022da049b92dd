//! Definitions of workflows in YAML and JSON, and steps that are added to one: refused with places
//! that are in the text, or read again the same as they are stored.

use std::sync::LazyLock;

use capataz_workflow::limits::{ADDED_STEPS, DEFINITION_BYTES, FLAWS, STEPS};
use capataz_workflow::{AddedSteps, Refusal, Workflow};

/// What steps are added to.
static BASE: LazyLock<Workflow> = LazyLock::new(|| {
    let text = "{name: base, parameters: {p: {type: object}}, defaults: {group: g},
        steps: [{id: a}, {id: b, after: a, alters_message: true}]}";
    Workflow::parse(text).expect("a good definition")
});

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Workflow::parse(text) {
        Ok(workflow) => check_workflow(&workflow),
        Err(refusal) => check_refusal(text, &refusal),
    }
    match AddedSteps::parse(text) {
        Ok(more) => check_added(text, more),
        Err(refusal) => check_refusal(text, &refusal),
    }
}

fn check_workflow(workflow: &Workflow) {
    assert!((1..=STEPS).contains(&workflow.steps().len()));
    let stored = workflow.to_json();
    let again = Workflow::from_definition(workflow.definition()).expect("what is stored is good");
    assert_eq!(again.to_json(), stored);
    assert_eq!(again.steps(), workflow.steps());
    let text = stored.to_string();
    if text.len() <= DEFINITION_BYTES {
        let again = Workflow::parse(&text).expect("what is shown is good");
        assert_eq!(again.to_json(), stored);
        assert_eq!(again.steps(), workflow.steps());
    }
}

fn check_added(text: &str, more: AddedSteps) {
    assert!(more.ids().count() <= ADDED_STEPS);
    match BASE.extended_by(more) {
        Ok(workflow) => {
            let (before, after) = (BASE.steps(), workflow.steps());
            assert!(after.len() > before.len());
            let mut kept = before.iter().zip(after);
            assert!(kept.all(|(before, after)| before.id == after.id));
            check_workflow(&workflow);
        }
        Err(refusal) => check_refusal(text, &refusal),
    }
}

fn check_refusal(text: &str, refusal: &Refusal) {
    assert!((1..=FLAWS).contains(&refusal.flaws.len()));
    let breaks = text.matches(['\n', '\r']).count();
    for flaw in &refusal.flaws {
        assert!(flaw.place.line as usize <= breaks + 1, "{flaw}");
        assert!(!flaw.reason.to_string().is_empty());
    }
}
