//! Runs from start to end, and what callers do to them.

use serde_json::{Value, json};

use super::server::Server;

/// `a`, then `b` for each of two items, then `c`; `z` when `b` failed.
fn forked() -> Value {
    json!({
        "name": "forked",
        "tags": ["${params.day}"],
        "parameters": {"day": {"type": "string", "default": "monday"}},
        "message": {"day": "${params.day}"},
        "result": "${outputs.c}",
        "steps": [
            {"id": "a", "group": "g", "argv": ["a"]},
            {"id": "b", "group": "g", "argv": ["b", "${item}"], "after": "a", "for_each": "outputs.a"},
            {"id": "c", "group": "g", "argv": ["c"], "after": "b"},
            {"id": "z", "group": "g", "argv": ["z"], "after": {"step": "b", "on": "failure"}},
        ],
    })
}

fn one(name: &str) -> Value {
    json!({"name": name, "steps": [{"id": "a", "group": "g", "argv": ["a"]}]})
}

fn output(step: &str) -> Option<Value> {
    Some(match step {
        "a" => json!(["x", "y"]),
        step => json!(step),
    })
}

fn states(run: &Value) -> Vec<String> {
    let steps = run["steps"].as_array().expect("steps");
    let word = |step: &Value| {
        let text = |field: &str| step[field].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("id"), text("state"), text("reason"))
    };
    steps.iter().map(word).collect()
}

async fn wait(server: &Server, id: &str) -> Value {
    let path = format!("/api/v1/runs/{id}/wait");
    server.post(&path, json!({"timeout": 30})).await.ok()
}

#[tokio::test]
async fn a_run_of_a_definition_goes_to_its_end() {
    let server = Server::start().await;
    let id = server.start_run(forked()).await;
    let begun = server.run(&id).await;
    assert_eq!(
        (&begun["state"], &begun["workflow"]),
        (&json!("running"), &json!("forked"))
    );
    assert_eq!(begun["parameters"], json!({"day": "monday"}));
    assert_eq!(begun["message"], json!({"day": "monday"}));
    assert_eq!(begun["tags"], json!(["monday"]));
    assert_eq!(states(&begun)[0], "a queued -");
    assert_eq!(
        begun["steps"][1]["after"],
        json!([{"step": "a", "on": "success"}])
    );
    server.work(output).await;
    let waited = wait(&server, &id).await;
    assert_eq!(
        (&waited["done"], &waited["run"]["state"]),
        (&json!(true), &json!("succeeded"))
    );
    let ended = server.run(&id).await;
    let expected = [
        "a succeeded -",
        "b succeeded -",
        "c succeeded -",
        "z skipped upstream",
    ];
    assert_eq!(states(&ended), expected);
    assert_eq!(ended["result"], "c");
    assert_eq!(ended["counts"]["succeeded"], 3);
    assert_eq!(ended["steps"][3]["upstream"], "b");
    let elements = json!({"total": 2, "started": 2, "succeeded": 2, "failed": 0});
    assert_eq!(ended["steps"][1]["elements"], elements);
    for field in [
        "submitted_at",
        "queued_at",
        "allocated_at",
        "started_at",
        "finished_at",
    ] {
        assert!(ended["steps"][0][field].is_string(), "{field}: {ended}");
    }

    let tasks = server.get(&format!("/api/v1/tasks?run={id}")).await.ok();
    let tasks = tasks["items"].as_array().expect("items").clone();
    assert_eq!(tasks.len(), 4);
    let of_b: Vec<&Value> = tasks.iter().filter(|task| task["step"] == "b").collect();
    assert_eq!(
        (&of_b[0]["element"], &of_b[0]["run"]),
        (&json!(1), &json!(id))
    );
    let task = tasks[0]["id"].as_str().expect("an id");
    let refused = server
        .post(&format!("/api/v1/tasks/{task}/retry"), json!({}))
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "task_of_run".to_owned())
    );
    let why = server
        .get(&format!("/api/v1/explain/task/{task}"))
        .await
        .ok();
    assert_eq!((&why["run"], &why["step"]), (&json!(id), &json!("c")));
    let definition = server
        .get(&format!("/api/v1/runs/{id}/definition"))
        .await
        .ok();
    assert_eq!(definition["name"], "forked");
    server.stop().await;
}

#[tokio::test]
async fn a_run_of_a_registered_workflow_pins_its_version() {
    let server = Server::start().await;
    server.put("/api/v1/workflows/forked", forked()).await.ok();
    let start = json!({"workflow": "forked", "parameters": {"day": "friday"}, "tags": ["t"]});
    let started = server.post("/api/v1/runs", start).await;
    assert_eq!(started.status, 201);
    let id = started.json()["id"].as_str().expect("an id").to_owned();
    let location = format!("/api/v1/runs/{id}");
    assert_eq!(started.headers["location"], location.as_str());
    let mut changed = forked();
    changed["steps"].as_array_mut().expect("steps").truncate(1);
    changed["result"] = Value::Null;
    changed.as_object_mut().expect("an object").remove("result");
    server.put("/api/v1/workflows/forked", changed).await.ok();
    let run = server.run(&id).await;
    assert_eq!(
        (&run["version"], run["steps"].as_array().map(Vec::len)),
        (&json!(1), Some(4))
    );
    assert_eq!(run["tags"], json!(["friday", "t"]));
    let stale = json!({"workflow": "forked", "version": 1});
    let refused = server.post("/api/v1/runs", stale).await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "stale_version".to_owned())
    );
    let wrong = json!({"workflow": "forked", "parameters": {"dya": "friday"}});
    let refused = server.post("/api/v1/runs", wrong).await;
    assert_eq!(
        (refused.status, refused.code()),
        (422, "invalid_workflow".to_owned())
    );
    assert!(
        refused.json()["detail"]
            .as_str()
            .expect("a detail")
            .contains("day")
    );
    server.stop().await;
}

#[tokio::test]
async fn what_failed_runs_again_and_so_do_chosen_steps() {
    let server = Server::start().await;
    let id = server.start_run(forked()).await;
    server
        .work(|step| if step == "c" { None } else { output(step) })
        .await;
    let failed = wait(&server, &id).await;
    assert_eq!(failed["run"]["state"], "failed");
    assert_eq!(failed["run"]["reason"], "step_failed");
    let path = format!("/api/v1/runs/{id}");
    server.post(&format!("{path}/retry"), json!({})).await.ok();
    server.work(output).await;
    let run = wait(&server, &id).await;
    assert_eq!(
        (&run["run"]["state"], &run["run"]["round"]),
        (&json!("succeeded"), &json!(2))
    );
    let nothing = server.post(&format!("{path}/retry"), json!({})).await;
    assert_eq!(nothing.code(), "nothing_to_run_again");
    let unknown = server
        .post(&format!("{path}/rerun"), json!({"steps": ["q"]}))
        .await;
    assert_eq!(unknown.status, 404);
    let body = json!({"steps": ["b"], "descendants": true});
    server.post(&format!("{path}/rerun"), body).await.ok();
    server.work(output).await;
    let run = server.run(&id).await;
    let rounds: Vec<&Value> = run["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| &step["round"])
        .collect();
    assert_eq!(rounds, [&json!(1), &json!(2), &json!(3), &json!(2)]);
    assert_eq!(run["state"], "succeeded");
    server.stop().await;
}

#[tokio::test]
async fn a_run_is_paused_resumed_and_cancelled() {
    let server = Server::start().await;
    let id = server.start_run(forked()).await;
    let path = format!("/api/v1/runs/{id}");
    server.post(&format!("{path}/pause"), json!({})).await.ok();
    let run = server.run(&id).await;
    assert_eq!(
        (&run["state"], &run["reason"]),
        (&json!("running"), &json!("paused"))
    );
    assert_eq!(states(&run)[0], "a scheduled run_paused");
    let why = server.get(&format!("{path}/explain")).await.ok();
    assert_eq!(
        (&why["obstacles"][0]["kind"], &why["remedy"]),
        (&json!("run_paused"), &json!("resume the run"))
    );
    assert!(server.lease("paused", 1).await.is_empty());
    server.post(&format!("{path}/resume"), json!({})).await.ok();
    assert_eq!(states(&server.run(&id).await)[0], "a queued -");
    server
        .post(&format!("{path}/cancel"), json!({"note": "enough"}))
        .await
        .ok();
    let ended = wait(&server, &id).await;
    assert_eq!(ended["run"]["state"], "cancelled");
    assert_eq!(ended["run"]["note"], "enough");
    for verb in ["cancel", "pause", "resume"] {
        let refused = server.post(&format!("{path}/{verb}"), json!({})).await;
        assert_eq!(
            (refused.status, refused.code()),
            (409, "not_live".to_owned()),
            "{verb}"
        );
        let unknown = server
            .post(&format!("/api/v1/runs/r99/{verb}"), json!({}))
            .await;
        assert_eq!(unknown.status, 404, "{verb}");
    }
    server.stop().await;
}

#[tokio::test]
async fn keys_conflicts_and_request_ids_are_kept() {
    let server = Server::start().await;
    let keyed = json!({"definition": one("w"), "key": "k"});
    let first = server.post("/api/v1/runs", keyed.clone()).await.ok();
    let again = server.post("/api/v1/runs", keyed).await.ok();
    assert_eq!(first["id"], again["id"]);
    let other = json!({"definition": one("w"), "key": "k", "tags": ["t"]});
    assert_eq!(
        server.post("/api/v1/runs", other).await.code(),
        "dedup_conflict"
    );

    let holds = json!({"definition": one("c"), "conflict_key": "x"});
    let holder = server.post("/api/v1/runs", holds.clone()).await.ok();
    let mut refused = holds.clone();
    refused["on_conflict"] = json!("refuse");
    assert_eq!(
        server.post("/api/v1/runs", refused).await.code(),
        "run_conflict"
    );
    let waits = server.post("/api/v1/runs", holds).await.ok();
    let id = waits["id"].as_str().expect("an id");
    let run = server.run(id).await;
    assert_eq!(
        (&run["state"], &run["reason"]),
        (&json!("queued"), &json!("conflict"))
    );
    let why = server.get(&format!("/api/v1/explain/run/{id}")).await.ok();
    assert_eq!(why["obstacles"][0]["run"], holder["id"]);

    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ];
    let body = json!({"definition": one("v")}).to_string();
    let first = server
        .raw("POST", "/api/v1/runs", &headers, body.clone())
        .await
        .ok();
    let again = server
        .raw("POST", "/api/v1/runs", &headers, body)
        .await
        .ok();
    assert_eq!(first["id"], again["id"]);
    server.stop().await;
}

#[tokio::test]
async fn runs_are_listed_by_what_they_are() {
    let server = Server::start().await;
    let first = server.start_run(one("x")).await;
    server.work(output).await;
    wait(&server, &first).await;
    let tagged = json!({"definition": one("y"), "tags": ["t"]});
    server.post("/api/v1/runs", tagged).await.ok();
    let list = async |query: &str| {
        let page = server.get(&format!("/api/v1/runs?{query}")).await.ok();
        let items = page["items"].as_array().expect("items").clone();
        let name = |run: Value| run["workflow"].as_str().expect("a name").to_owned();
        items.into_iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, ["y", "x"]);
    assert_eq!(list("workflow=x").await, ["x"]);
    assert_eq!(list("state=running").await, ["y"]);
    assert_eq!(list("state=succeeded,failed").await, ["x"]);
    assert_eq!(list("tag=t").await, ["y"]);
    assert_eq!(
        list("since=2999-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    let page = server.get("/api/v1/runs?limit=1").await.ok();
    let cursor = page["cursor"].as_str().expect("a cursor");
    assert_eq!(list(&format!("limit=1&cursor={cursor}")).await, ["x"]);
    let refused = server.get("/api/v1/runs?state=skipped").await;
    assert_eq!(
        (refused.status, refused.code()),
        (400, "invalid_field".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn a_running_step_adds_steps_to_its_run() {
    let server = Server::start().await;
    let id = server.start_run(one("grows")).await;
    let lease = server.lease("a", 1).await.remove(0);
    let path = format!("/api/v1/runs/{id}/steps");
    let more = json!({"id": "b", "group": "g", "argv": ["b"], "after": ["a"]});
    let body = json!({"task": lease.0, "attempt": lease.1, "steps": [more]});
    let stale = json!({"task": lease.0, "attempt": 9, "steps": [more]});
    assert_eq!(server.post(&path, stale).await.code(), "stale_lease");
    let flawed = json!({"id": "b", "group": "g", "argv": ["b"], "after": ["q"]});
    let flawed = json!({"task": lease.0, "attempt": lease.1, "steps": [flawed]});
    assert_eq!(server.post(&path, flawed).await.code(), "invalid_workflow");
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "more"),
    ];
    server
        .raw("POST", &path, &headers, body.to_string())
        .await
        .ok();
    server
        .raw("POST", &path, &headers, body.to_string())
        .await
        .ok();
    assert_eq!(states(&server.run(&id).await).len(), 2);
    server.report(&lease, "complete", json!({})).await.ok();
    server.work(output).await;
    let run = server.run(&id).await;
    assert_eq!(states(&run), ["a succeeded -", "b succeeded -"]);
    assert_eq!(server.post(&path, body).await.code(), "not_live");
    server.stop().await;
}
