//! A worker's token is for its groups: what is of others it neither sees, takes nor ends.

use capataz_api::proto::{self, master_frame, worker_frame};
use serde_json::{Value, json};

use super::server::{Reply, Server};
use super::tokens::{hello, session, try_session};

fn poll(worker: &str, groups: Value) -> String {
    let pod = format!("pod-of-{worker}");
    json!({"worker": worker, "pod": pod, "groups": groups}).to_string()
}

async fn lease(server: &Server, token: &str, worker: &str, group: &str) -> (String, u64) {
    let body = poll(worker, json!([group]));
    let leases = server
        .send_as(token, "POST", "/api/v1/leases", body)
        .await
        .ok();
    let lease = &leases["leases"][0];
    let task = lease["task"].as_str().expect("a lease").to_owned();
    (task, lease["attempt"].as_u64().expect("an attempt"))
}

/// A token for each of the groups `mine` and `yours`.
async fn tokens(server: &Server) -> (String, String) {
    let mine = json!({"role": "worker", "groups": ["mine"]});
    let yours = json!({"role": "worker", "groups": ["yours"]});
    (
        server.make_token(mine).await.1,
        server.make_token(yours).await.1,
    )
}

#[tokio::test]
async fn a_worker_leases_reports_and_reads_only_what_is_its_groups() {
    let server = Server::start().await;
    let (mine, yours) = tokens(&server).await;
    let foreign = server.submit(json!({"group": "yours"})).await;
    let own = server.submit(json!({"group": "mine"})).await;
    for groups in [json!(["yours"]), json!(["mine", "yours"])] {
        let reply = server
            .send_as(&mine, "POST", "/api/v1/leases", poll("w", groups))
            .await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"));
    }
    assert_eq!(
        lease(&server, &yours, "theirs", "yours").await,
        (foreign.clone(), 1)
    );
    assert_eq!(
        lease(&server, &mine, "ours", "mine").await,
        (own.clone(), 1)
    );
    for verb in ["start", "heartbeat", "complete", "fail", "again"] {
        let path = format!("/api/v1/attempts/{foreign}/1/{verb}");
        let body = if verb == "again" {
            json!({"again_in": 1})
        } else {
            json!({})
        };
        let reply = server.send_as(&mine, "POST", &path, body.to_string()).await;
        assert_eq!(reply.code(), "forbidden", "{verb}");
        // A task that is not there is nothing that it learns of.
        let path = format!("/api/v1/attempts/999/1/{verb}");
        let reply = server.send_as(&mine, "POST", &path, body.to_string()).await;
        assert_eq!(reply.code(), "forbidden", "{verb}");
    }
    assert_eq!(server.task(&foreign).await["state"], "running");
    let logs = |id: &str| format!("/api/v1/tasks/{id}/logs");
    assert_eq!(
        server.get_as(&mine, &logs(&foreign)).await.code(),
        "forbidden"
    );
    assert_eq!(server.get_as(&mine, &logs(&own)).await.status, 200);
    let path = format!("/api/v1/attempts/{own}/1/complete");
    server
        .send_as(&mine, "POST", &path, json!({}).to_string())
        .await
        .ok();
    // Also when it has ended.
    server
        .send_as(&mine, "POST", &path, json!({}).to_string())
        .await
        .ok();
    assert_eq!(server.get_as(&mine, &logs(&own)).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_worker_does_not_take_the_name_of_one_of_another_group() {
    let server = Server::start().await;
    let (mine, yours) = tokens(&server).await;
    server.submit(json!({"group": "yours"})).await;
    lease(&server, &yours, "theirs", "yours").await;
    let reply = server
        .send_as(
            &mine,
            "POST",
            "/api/v1/leases",
            poll("theirs", json!(["mine"])),
        )
        .await;
    assert_eq!(reply.code(), "forbidden");
    let refused = try_session(&server, &mine, hello("theirs", "mine")).await;
    let status = refused.expect_err("the name is theirs");
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let worker = server.get("/api/v1/workers/theirs").await.ok();
    assert_eq!(worker["groups"], json!(["yours"]));
    server.stop().await;
}

/// Starts a run of `definition`, whose only task that is ready is of the group `mine`, and leases
/// that. Returns a call that adds steps with the lease and a token.
async fn holder_of_a_step<'s>(
    server: &'s Server,
    token: &'s str,
    definition: Value,
) -> impl AsyncFn(Value) -> Reply + 's {
    let run = server.start_run(definition).await;
    let (task, attempt) = lease(server, token, "ours", "mine").await;
    let path = format!("/api/v1/runs/{run}/steps");
    async move |steps: Value| {
        let body = json!({"task": task, "attempt": attempt, "steps": steps});
        server.send_as(token, "POST", &path, body.to_string()).await
    }
}

fn refused(reply: &Reply, field: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"));
    assert_eq!(reply.json()["field"], field);
}

#[tokio::test]
async fn a_worker_adds_steps_of_its_own_groups_only() {
    let server = Server::start().await;
    let (mine, _) = tokens(&server).await;
    let add = holder_of_a_step(
        &server,
        &mine,
        json!({
            "name": "both",
            "defaults": {"group": "yours"},
            "steps": [
                {"id": "a", "group": "mine", "argv": ["a"]},
                {"id": "b", "argv": ["b"], "after": ["a"]},
            ],
        }),
    )
    .await;
    let own = json!({"id": "own", "group": "mine", "argv": ["x"]});
    let foreign = json!({"id": "evil", "group": "yours", "argv": ["x"]});
    refused(&add(json!([own, foreign])).await, "steps[1].group");
    // The default of a run in which others have steps, too.
    let of_default = json!({"id": "evil", "argv": ["x"]});
    refused(&add(json!([of_default])).await, "steps[0].group");
    // A group is a name, and no template.
    let template = json!({"id": "evil", "group": "${'yours'}", "argv": ["x"]});
    refused(&add(json!([template])).await, "steps[0].group");
    let list = json!({"id": "evil", "group": "yours", "for_each": [1], "argv": ["x"]});
    refused(&add(json!([list])).await, "steps[0].group");
    let text = json!("- {id: evil, group: yours, argv: [x]}");
    refused(&add(text).await, "steps[0].group");
    let join = json!({"id": "join", "noop": true, "after": ["own"]});
    add(json!([own, join])).await.ok();
    drop(add);
    server.stop().await;
}

#[tokio::test]
async fn a_worker_adds_steps_with_secrets_that_its_groups_steps_have() {
    let server = Server::start().await;
    let (mine, _) = tokens(&server).await;
    let add = holder_of_a_step(
        &server,
        &mine,
        json!({
            "name": "secrets",
            "defaults": {"env_secret": ["FOR_ALL"]},
            "steps": [
                {"id": "a", "group": "mine", "argv": ["a"]},
                {"id": "b", "group": "mine", "argv": ["b"], "after": ["a"],
                    "env_secret": {"PASSWORD": "DB"}},
                {"id": "c", "group": "yours", "argv": ["c"], "after": ["b"], "env_secret": ["S3"]},
            ],
        }),
    )
    .await;
    let step = |id: &str, secrets: Value| json!([{"id": id, "group": "mine", "argv": ["x"], "env_secret": secrets}]);
    // Of another group of the run, and of none.
    for secrets in [json!(["S3"]), json!({"DB": "S3"}), json!(["DB", "ROOT"])] {
        refused(&add(step("evil", secrets)).await, "steps[0].env_secret");
    }
    add(step("d", json!({"P": "DB"}))).await.ok();
    add(json!([{"id": "e", "group": "mine", "argv": ["x"]}]))
        .await
        .ok();
    drop(add);
    server.stop().await;
}

#[tokio::test]
async fn a_worker_starts_nothing_beside_the_steps_it_adds() {
    let server = Server::start().await;
    let (mine, _) = tokens(&server).await;
    let task = json!({"group": "mine"});
    let run = json!({"definition": {"name": "w", "steps": [{"id": "n", "noop": true}]}});
    let calls = [
        ("/api/v1/tasks", task.clone()),
        ("/api/v1/tasks:batch", json!({"tasks": [task]})),
        ("/api/v1/runs", run),
    ];
    for (path, body) in calls {
        let reply = server.send_as(&mine, "POST", path, body.to_string()).await;
        assert_eq!(reply.code(), "forbidden", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_worker_submits_tasks_of_its_groups_beside_an_attempt_that_it_runs() {
    let server = Server::start().await;
    let (mine, yours) = tokens(&server).await;
    server.submit(json!({"group": "mine"})).await;
    let (task, attempt) = lease(&server, &mine, "one", "mine").await;
    let path = format!("/api/v1/attempts/{task}/{attempt}/tasks");
    let submit = async |token: &str, path: &str, tasks: Value| {
        let body = json!({ "tasks": tasks }).to_string();
        server.send_as(token, "POST", path, body).await
    };
    let own = json!({"group": "mine", "argv": ["more"]});
    let started = submit(&mine, &path, json!([own, own])).await;
    assert_eq!(started.status, 201);
    let ids = started.json()["ids"].as_array().expect("ids").clone();
    let first = server.task(ids[0].as_str().expect("an id")).await;
    assert_eq!((ids.len(), &first["group"]), (2, &json!("mine")));

    let foreign = submit(&mine, &path, json!([own, {"group": "yours"}])).await;
    assert_eq!(foreign.code(), "forbidden");
    assert_eq!(foreign.json()["field"], "tasks[1].group");
    let secret = json!({"group": "mine", "argv": ["x"], "env_secret": {"KEY": "key"}});
    let secret = submit(&mine, &path, json!([secret])).await;
    assert_eq!(secret.json()["field"], "tasks[0].env_secret");
    let other = submit(&yours, &path, json!([{"group": "yours"}])).await;
    assert_eq!(other.code(), "forbidden", "another group's attempt");
    let next = format!("/api/v1/attempts/{task}/{}/tasks", attempt + 1);
    let stale = submit(&mine, &next, json!([own])).await;
    assert_eq!(
        (stale.status, stale.code()),
        (409, "stale_lease".to_owned())
    );
    let all = server.get("/api/v1/tasks").await.ok();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(3));
    server.stop().await;
}

#[tokio::test]
async fn a_session_serves_its_groups_and_speaks_of_its_own_attempts() {
    let server = Server::start().await;
    let (mine, yours) = tokens(&server).await;
    let refused = try_session(&server, &mine, hello("w", "yours")).await;
    let status = refused.expect_err("a foreign group");
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let foreign = server.submit(json!({"group": "yours"})).await;
    lease(&server, &yours, "theirs", "yours").await;
    let (frames, mut session) = session(&server, &mine, hello("w", "mine")).await;
    session.message().await.expect("a frame").expect("welcome");
    let token = proto::Token {
        task: foreign.parse().expect("a number"),
        index: None,
        attempt: 1,
    };
    let chunk = proto::LogChunk {
        token: Some(token),
        stream: proto::LogStream::Stdout as i32,
        offset: 0,
        data: "forged".into(),
    };
    let logs = proto::LogChunks {
        chunks: vec![chunk],
    };
    let ended = proto::Ended {
        token: Some(token),
        outcome: proto::Outcome::Succeeded as i32,
        ..Default::default()
    };
    let reports = proto::Reports {
        started: Vec::new(),
        ended: vec![ended],
    };
    for frame in [
        worker_frame::Frame::Logs(logs),
        worker_frame::Frame::Reports(reports),
    ] {
        let frame = Some(frame);
        frames
            .send(proto::WorkerFrame { frame })
            .await
            .expect("it is read");
    }
    // It is told to forget the report, and nothing has come of it.
    let answer = session
        .message()
        .await
        .expect("a frame")
        .expect("an answer");
    let answer = answer.frame;
    assert!(
        matches!(answer, Some(master_frame::Frame::Acknowledged(_))),
        "{answer:?}"
    );
    assert_eq!(server.task(&foreign).await["state"], "running");
    let logs = server
        .get(&format!("/api/v1/tasks/{foreign}/logs"))
        .await
        .ok();
    assert_eq!(logs["chunks"], json!([]));
    let path = format!("/api/v1/attempts/{foreign}/1/complete");
    server
        .send_as(&yours, "POST", &path, json!({}).to_string())
        .await
        .ok();
    drop(frames);
    server.stop().await;
}
