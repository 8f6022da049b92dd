//! Documents and expressions that mean harm: they are refused, and soon.

use capataz_workflow::{Problem, Workflow};
use proptest::prelude::*;
use serde_json::json;

use super::{Run, parsed, refused};

#[test]
fn aliases_do_not_multiply() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        let aliases = [alias.as_str(); 9].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    let shown = refused(&text).to_string();
    assert!(
        shown.contains("bytes added by aliases, the limit is 16777216"),
        "{shown}"
    );
    // Deep, though never large.
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let shown = refused(&text).to_string();
    assert!(shown.contains("nested deeper than 64"), "{shown}");
    assert!(
        refused("a: &a [*a]")
            .to_string()
            .contains("not complete yet")
    );
}

#[test]
fn a_large_map_has_each_key_once() {
    let mut text = String::from("name: w\nparameters:\n");
    for name in 0..100 {
        text += &format!("  p{name}: {{type: string}}\n");
    }
    text += "  p3: {type: string}\nsteps: [{id: a, noop: true}]\n";
    let shown = refused(&text).to_string();
    assert_eq!(shown, "line 103, column 3: has the key \"p3\" twice");
}

#[test]
fn a_text_that_ends_too_early_is_refused_at_its_end() {
    for (text, end) in [
        ("- {", (1, 4)),
        ("- {id: a,\n  when: [1", (2, 11)),
        ("- {\r\n  id: \u{20ac}", (2, 8)),
        ("name: w\nsteps:\n  - id:", (3, 8)),
    ] {
        let places = refused(text).flaws.into_iter().map(|flaw| flaw.place);
        let last = places.max().expect("a flaw");
        assert!((last.line, last.column) <= end, "{text:?}: {last:?}");
        assert!(last.line > 0, "{text:?}");
    }
}

#[test]
fn nesting_ends() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        format!("{{\"name\": {}1{}}}", "[".repeat(100), "]".repeat(100)),
        (0..1_500)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
    ] {
        let shown = refused(&text).to_string();
        assert!(
            shown.contains("cannot be read") || shown.contains("nested deeper"),
            "{shown}"
        );
    }
}

/// A workflow whose only step is given an expression.
fn asking(expression: &str) -> Result<Workflow, capataz_workflow::Refusal> {
    let step = json!({ "id": "a", "group": "g", "when": expression });
    Workflow::parse(&json!({ "name": "w", "steps": [step] }).to_string())
}

#[test]
fn expressions_are_bounded_before_they_are_parsed() {
    for expression in [
        "(".repeat(2_000) + "1" + &")".repeat(2_000),
        "[".repeat(2_000) + "1" + &"]".repeat(2_000),
        "!".repeat(4_000) + "true",
        "-".repeat(4_000) + "1",
        "!-".repeat(2_000) + "1",
        "1+".repeat(2_000) + "1",
        "true?1:".repeat(580) + "2",
        "'x'.size().".repeat(370) + "size()",
        "f(".repeat(1_300) + &")".repeat(1_300),
        "[{(".repeat(1_300),
        "r'\\' + ".to_owned() + &"(".repeat(4_000),
        "\"\"\"\"".to_owned() + &"(".repeat(4_000),
        "''' ' ''' + ".to_owned() + &"(".repeat(4_000),
        "a".to_owned() + &"[0]".repeat(1_300),
        "a".to_owned() + &".b".repeat(2_000),
        "true && ".repeat(500) + "true",
        "1".repeat(5_000),
    ] {
        // Refused, or good: only never a stack that overflows.
        if let Ok(workflow) = asking(&expression) {
            drop(workflow.when(0, &Run::new()));
        }
    }
}

#[test]
fn evaluations_run_out_of_fuel() {
    let range = "lists.range(1000)";
    let text = "'x'.replace('x', 'xxxxxxxxxxxxxxxx')";
    let grown = format!("{text}{}", ".replace('x', 'xxxxxxxxxxxxxxxx')".repeat(6));
    for expression in [
        format!("{range}.map(a, {range}.map(b, {range}.map(c, a * b * c))).size() > 0"),
        format!("{range}.exists(a, {range}.exists(b, {range}.exists(c, a == -1)))"),
        format!("{range}.all(a, {range}.all(b, {range}.exists(c, 1 / 0 == 1)))"),
        format!("{range}.exists(a, ({range}.all(b, {range}.all(c, c >= 0)) || true) && false)"),
        format!("{range}.map(a, {range} == {range}).size() > 0"),
        format!("{range}.map(a, 'x'.matches('(a{{50}}){{50}}')).size() > 0"),
        "lists.range(9223372036854775807).size() > 0".to_owned(),
        format!("{grown}.size() > 0"),
    ] {
        let workflow = asking(&expression).unwrap_or_else(|refusal| panic!("{refusal}"));
        let error = workflow.when(0, &Run::new()).unwrap_err();
        let problem = *error.problem;
        assert!(
            matches!(
                problem,
                Problem::TooCostly | Problem::TooLarge | Problem::Pattern { .. }
            ),
            "{expression}: {problem}"
        );
    }
}

#[test]
fn large_values_cost_with_each_look() {
    let members = (0..20_000).map(|n| (format!("k{n}"), json!(n)));
    let map = serde_json::Value::Object(members.collect());
    let text = "x".repeat(200_000);
    let params = json!({ "map": map, "text": text });
    for expression in [
        "lists.range(100).exists(i, params.map.exists(k, true) && i < 0)",
        "lists.range(1000).exists(i, params.text < params.text)",
        "lists.range(1000).exists(i, params.text == params.text && i < 0)",
        "lists.range(1000).exists(i, params.text in params.map)",
        "lists.range(1000).exists(i, has({params.text: 1}.a))",
        "lists.range(1000).exists(i, params.map == params.map && i < 0)",
        "lists.range(1000).exists(i, params.text.size() < 0)",
        "lists.range(2).exists(i, params.text.matches('(x|y)*z'))",
    ] {
        let step = json!({ "id": "a", "group": "g", "when": expression });
        let parameters = json!({ "map": { "type": "object" }, "text": { "type": "string" } });
        let document = json!({ "name": "w", "parameters": parameters, "steps": [step] });
        let error = parsed(&document.to_string()).when(0, &Run::with(params.clone()));
        let problem = error.map_err(|error| *error.problem);
        assert_eq!(problem, Err(Problem::TooCostly), "{expression}");
    }
}

#[test]
fn usual_patterns_fit() {
    for pattern in [
        r"^\\w+@\\w+\\.[a-z]{2,10}$",
        r"^\\d{4}-\\d\\d-\\d\\d$",
        "(?i)^err(or)?: .*$",
    ] {
        let workflow = asking(&format!("'x'.matches('{pattern}')"));
        let workflow = workflow.unwrap_or_else(|refusal| panic!("{refusal}"));
        assert_eq!(workflow.when(0, &Run::new()), Ok(false), "{pattern}");
    }
}

pub(super) const GOOD: &str = r#"name: etl
parameters: { day: { type: string, default: "x" } }
defaults: &d { group: etl, env: { DAY: "${params.day}" } }
repeat: { until: "message.done", max: 3 }
steps:
  - id: list
    argv: ["ls", "${params.day}", '${ {"a": [1, "}"]}.a[0] }']
  - { id: load, after: [list, { step: list2, on: any }], for_each: outputs.list, meta: *d }
  - id: list2
    when: "size(params.day) > 1 && run.version >= 1"
    payload: |
      many ${ run.id }
      lines
"#;

#[test]
fn the_document_that_is_mutated_is_good() {
    parsed(GOOD);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,200}") {
        drop(Workflow::parse(&text));
        drop(Workflow::parse(&format!("name: w\nsteps: [{{id: a, when: {text:?}, group: g}}]")));
    }

    #[test]
    fn no_mutation_is_too_strange(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..8), 1..5),
        put in proptest::collection::vec("[\\[\\]{}:,&*!|>'\"%@`#${}a1 \n-]{0,4}", 1..5),
    ) {
        let mut text = GOOD.to_owned();
        for ((from, _, length), put) in cuts.iter().zip(&put) {
            let from = from.index(text.len());
            let end = (from + length).min(text.len());
            text.replace_range(from..end, put);
        }
        if let Ok(workflow) = Workflow::parse(&text) {
            let canonical = workflow.to_json().to_string();
            let again = Workflow::parse(&canonical);
            prop_assert!(again.is_ok_and(|again| again.steps() == workflow.steps()), "{}", canonical);
        }
    }

    #[test]
    fn no_expression_is_too_strange(
        tokens in proptest::collection::vec(prop::sample::select(vec![
            "1", "2.5", "'a'", "\"b\"", "[", "]", "{", "}", "(", ")", "+", "-", "*", "/", "%", "==", "<",
            "in", "&&", "||", "!", "?", ":", ".", ",", "x", "map", "size", "has", "params", "day", "true",
            "null", "filter", "all", "1u", "b''", "lists.range(", "run.id", " ", "\\", "$", "message",
        ]), 0..25),
    ) {
        let expression = tokens.concat();
        let step = json!({ "id": "a", "group": "g", "payload": [format!("${{{expression}}}"), expression] });
        let parameters = json!({ "day": { "type": "string" } });
        let document = json!({ "name": "w", "parameters": parameters, "steps": [step] });
        if let Ok(workflow) = Workflow::parse(&document.to_string()) {
            drop(workflow.task(0, &Run::with(json!({ "day": "mon" })), None));
        }
    }
}
