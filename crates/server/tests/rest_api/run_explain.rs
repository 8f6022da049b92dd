//! What a run that has ended is explained with.

use serde_json::{Value, json};

use super::server::Server;

async fn explained(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/explain/run/{id}")).await.ok()
}

#[tokio::test]
async fn a_failed_run_names_the_steps_that_decided_it_and_how_to_retry_them() {
    let server = Server::start().await;
    let id = server
        .start_run(json!({
            "name": "blame",
            "steps": [
                {"id": "good", "group": "g", "argv": ["x"]},
                {"id": "may", "group": "g", "argv": ["x"], "allow_failure": true},
                {"id": "bad", "group": "g", "argv": ["x"]},
                {"id": "each", "group": "g", "argv": ["x"], "for_each": [1, 2, 3, 4, 5]},
                {"id": "words", "group": "g", "argv": ["${outputs.good.n}"], "after": "good"},
                {"id": "late", "group": "g", "argv": ["x"], "after": "bad"},
            ],
        }))
        .await;
    server
        .work(|step| (step == "good").then(|| json!("no map")))
        .await;
    let why = explained(&server, &id).await;
    assert_eq!(why["state"], "failed");
    assert_eq!(why["remedy"], format!("capataz run retry {id}"));
    let obstacles = why["obstacles"].as_array().expect("obstacles");
    let steps: Vec<&Value> = obstacles.iter().map(|one| &one["step"]).collect();
    assert_eq!(steps, [&json!("bad"), &json!("each"), &json!("words")]);
    assert!(obstacles.iter().all(|one| one["kind"] == "step_failed"));
    let run = server.run(&id).await;
    assert_eq!(obstacles[0]["tasks"], json!([run["steps"][2]["task"]]));
    let text = |place: usize| obstacles[place]["text"].as_str().expect("a text");
    assert!(text(0).starts_with("step \"bad\" failed (error)"), "{why}");
    assert!(text(1).contains("element_failed"), "{why}");
    assert_eq!(obstacles[1]["tasks"].as_array().map(Vec::len), Some(3));
    assert!(text(2).contains("outputs.good.n"), "{why}");
    let summary = why["summary"].as_str().expect("a summary");
    assert!(
        summary.contains("step_failed") && summary.contains("\"bad\""),
        "{why}"
    );

    let retry = format!("/api/v1/runs/{id}/retry");
    server.post(&retry, json!({})).await.ok();
    server.work(|_| Some(json!({"n": 1}))).await;
    let why = explained(&server, &id).await;
    let obstacles = why["obstacles"].as_array().expect("obstacles");
    assert_eq!(
        obstacles.len(),
        1,
        "what does not change fails again: {why}"
    );
    server.stop().await;
}

#[tokio::test]
async fn of_other_ends_there_is_less_to_say() {
    let server = Server::start().await;
    let one = |result: &str| {
        json!({
            "name": "one", "result": result,
            "steps": [{"id": "a", "group": "g", "argv": ["x"]}],
        })
    };
    let well = server.start_run(one("${outputs.a}")).await;
    let broken = server.start_run(one("${outputs.a.n}")).await;
    server.work(|_| Some(json!(1))).await;
    let why = explained(&server, &well).await;
    assert_eq!(
        (&why["obstacles"], &why["remedy"]),
        (&json!([]), &Value::Null)
    );
    let why = explained(&server, &broken).await;
    assert!(
        why["summary"]
            .as_str()
            .expect("a text")
            .contains("outputs.a.n"),
        "{why}"
    );
    assert!(
        why["remedy"].as_str().expect("a text").contains("rerun"),
        "{why}"
    );
    let cancelled = server.start_run(one("1")).await;
    let cancel = format!("/api/v1/runs/{cancelled}/cancel");
    server.post(&cancel, json!({"note": "enough"})).await.ok();
    let why = explained(&server, &cancelled).await;
    assert!(
        why["summary"].as_str().expect("a text").ends_with("enough"),
        "{why}"
    );
    assert_eq!(why["remedy"], format!("capataz run retry {cancelled}"));
    server.stop().await;
}

fn kinds(why: &Value) -> Vec<&str> {
    let obstacles = why["obstacles"].as_array().expect("obstacles").iter();
    obstacles.filter_map(|one| one["kind"].as_str()).collect()
}

fn texts(why: &Value) -> Vec<&str> {
    let obstacles = why["obstacles"].as_array().expect("obstacles").iter();
    obstacles.filter_map(|one| one["text"].as_str()).collect()
}

#[tokio::test]
async fn of_many_open_steps_those_are_explained_that_others_wait_for() {
    let server = Server::start().await;
    let after =
        |id: u32| json!({"id": format!("w{id}"), "group": "g", "argv": ["x"], "after": "root"});
    let mut steps: Vec<Value> = (0..30).map(after).collect();
    steps.push(json!({"id": "root", "group": "nobody", "argv": ["x"]}));
    let id = server
        .start_run(json!({"name": "wide", "steps": steps}))
        .await;
    let why = explained(&server, &id).await;
    let texts = texts(&why);
    assert!(
        texts.contains(&"step \"root\" is queued in group nobody"),
        "{why}"
    );
    assert!(kinds(&why).contains(&"no_worker"), "{why}");
    assert_eq!(
        why["remedy"],
        "start a worker with `--group nobody`".to_owned()
    );
    assert_eq!(texts.last(), Some(&"11 further steps are not over"));
    let counts = server.run(&id).await["counts"].clone();
    assert_eq!(
        (&counts["queued"], &counts["running"], &counts["blocked"]),
        (&json!(1), &json!(0), &json!(30))
    );
    server.stop().await;
}

#[tokio::test]
async fn who_has_what_a_run_waits_for_is_named() {
    let server = Server::start().await;
    let step = |id: &str| json!({"id": id, "group": "g", "argv": ["x"]});
    let one = json!({
        "name": "one", "max_runs": 1, "max_steps": 1, "steps": [step("a"), step("b")],
    });
    server.put("/api/v1/workflows/one", one).await.ok();
    let start = async || {
        let request = json!({"workflow": "one"});
        let started = server.post("/api/v1/runs", request).await.ok();
        started["id"].as_str().expect("an id").to_owned()
    };
    let (first, second, third) = (start().await, start().await, start().await);
    let why = explained(&server, &first).await;
    assert!(kinds(&why).contains(&"max_steps"), "{why}");
    assert!(!kinds(&why).contains(&"step_ready"), "{why}");
    let task = server.run(&first).await["steps"][0]["task"].clone();
    let of_tasks = |one: &&Value| one["kind"] == "max_steps";
    let obstacles = why["obstacles"].as_array().expect("obstacles");
    let max_steps = obstacles.iter().find(of_tasks).expect("max_steps");
    assert_eq!(max_steps["tasks"], json!([task]));
    let remedy = why["remedy"].as_str().expect("a remedy");
    assert!(
        remedy.contains("raise max_steps of workflow one"),
        "{remedy}"
    );
    assert!(
        remedy.contains("start a worker with `--group g`"),
        "{remedy}"
    );

    let why = explained(&server, &third).await;
    assert_eq!(kinds(&why), ["max_runs", "run_behind"]);
    assert!(texts(&why)[0].ends_with(&format!("(1): {first}")), "{why}");
    assert!(texts(&why)[1].ends_with(&format!("(1): {second}")), "{why}");
    let why = explained(&server, &second).await;
    assert_eq!(kinds(&why), ["max_runs"]);
    assert_eq!(why["obstacles"][0]["run"], first);
    server.stop().await;
}
