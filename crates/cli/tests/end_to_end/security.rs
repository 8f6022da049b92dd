//! Tokens, TLS and secrets, as an operator uses them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::harness::{Place, Process, Run, Server, until};

/// Runs `capataz LINE` with another token.
fn run_as(server: &Server, token: &str, line: &str) -> Run {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = server.command(&words);
    command.env("CAPATAZ_TOKEN", token);
    Run::of(command)
}

fn make_token(server: &Server, flags: &str) -> String {
    let line = format!("token create {flags} --output quiet");
    server.run(&line).exits(0).trim().to_owned()
}

#[test]
fn a_token_is_made_listed_used_and_revoked() {
    let server = Server::start();
    let table = server.run("token create --role viewer --name one").exits(0);
    assert!(
        table.contains("cpz_") && table.contains("not shown again"),
        "{table}"
    );
    let made = server.run("token create --role submitter --name two --expires-in 1h -o json");
    let made = made.json();
    let (id, text) = (
        made["id"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    let listed = server.listed("token list", 2);
    assert_eq!(listed[1]["name"], "two");
    let list = server.run("token list").exits(0);
    assert!(list.contains(id) && !list.contains(text), "{list}");
    run_as(&server, text, "submit --group g --payload x").exits(0);
    let refused = run_as(&server, text, "group pause g");
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(refused.stderr.contains("submitter"), "{}", refused.stderr);
    server.run(&format!("token revoke {id}")).exits(0);
    assert_eq!(run_as(&server, text, "task list").exit, 1);
    assert_eq!(server.run(&format!("token revoke {id}")).exit, 5);
    assert_eq!(server.run("token create --role worker").exit, 1);
}

#[test]
fn a_worker_with_a_token_of_its_group_works_until_it_is_revoked() {
    let server = Server::start();
    let token = make_token(&server, "--role worker --group g --name farm");
    let id = server.listed("token list", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let start = |group: &str| {
        let flags = ["worker", "--group", group, "--pod", "p", "--name", group];
        let mut command = server.command(&flags);
        command.arg("--allow-commands").env("CAPATAZ_TOKEN", &token);
        Process::start(command, &server.place().path().join(format!("{group}.log")))
    };
    let mut worker = start("g");
    let mut foreign = start("h");
    assert!(!foreign.ended().success());
    let task = server.submit_script("--group g", "echo done");
    server.run(&format!("wait {task}")).exits(0);
    server.run(&format!("token revoke {id}")).exits(0);
    assert!(!worker.ended().success());
}

/// An authority and a server's certificate for 127.0.0.1, in files: `NAME-ca.pem`, `NAME.pem`,
/// `NAME.key`.
fn certify(folder: &Path, name: &str) -> PathBuf {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = names.signed_by(&key, &Issuer::new(params, ca_key)).unwrap();
    let path = folder.join(format!("{name}-ca.pem"));
    std::fs::write(&path, ca.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    path
}

#[test]
fn a_server_with_tls_is_reached_by_those_who_trust_it_and_renews_its_certificate() {
    let place = Place::new();
    let ca = certify(place.path(), "first");
    let next = certify(place.path(), "second");
    let words =
        "serve --data-dir data --listen 127.0.0.1:0 --tls-cert first.pem --tls-key first.key";
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut server = Process::start(place.command(&words), &place.path().join("serve.log"));
    let url = until("it writes its address", || {
        server.must_run();
        let text = place.read("data/address");
        text.strip_suffix('\n').map(str::to_owned)
    });
    assert!(url.starts_with("https://"), "{url}");
    let token = place.read("data/admin-token");
    let command = |words: &[&str], ca: Option<&Path>| {
        let mut command = place.command(words);
        command
            .env("CAPATAZ_SERVER", &url)
            .env("CAPATAZ_TOKEN", &token);
        command.envs(ca.map(|ca| ("CAPATAZ_TLS_CA", ca)));
        command
    };
    let worker = ["worker", "--group", "g", "--pod", "p", "--allow-commands"];
    let _worker = Process::start(
        command(&worker, Some(&ca)),
        &place.path().join("worker.log"),
    );
    let submit = ["submit", "--group", "g", "--wait", "--", "true"];
    Run::of(command(&submit, Some(&ca))).exits(0);
    let flag = ["--tls-ca", "first-ca.pem", "group", "list"];
    Run::of(command(&flag, None)).exits(0);
    let stranger = Run::of(command(&["group", "list"], Some(&next)));
    assert_eq!(stranger.exit, 1, "{stranger:?}");
    assert!(
        stranger.stderr.contains("certificate"),
        "{}",
        stranger.stderr
    );
    for kind in ["pem", "key"] {
        let from = place.path().join(format!("second.{kind}"));
        std::fs::copy(from, place.path().join(format!("first.{kind}"))).unwrap();
    }
    server.signal(Signal::SIGHUP);
    until("the new certificate is used", || {
        let run = Run::of(command(&["group", "list"], Some(&next)));
        (run.exit == 0).then_some(())
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn an_address_for_others_needs_tls_or_a_named_risk() {
    let place = Place::new();
    let refused = Run::of(place.command(&["serve", "--data-dir", "data", "--listen", "0.0.0.0:0"]));
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(refused.stderr.contains("--tls-cert"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--allow-plaintext"),
        "{}",
        refused.stderr
    );
    let half = Run::of(place.command(&["serve", "--tls-cert", "x.pem"]));
    assert_eq!(half.exit, 1, "{half:?}");
}

/// What no file and no answer may have.
const SECRET: &str = "s3cr3t-hunter2-4711";

#[test]
fn a_secret_reaches_its_task_and_nothing_that_is_kept_shown_or_logged() {
    let mut server = Server::start();
    let words = "worker --group g --pod p --name w --allow-commands --log trace --secret DB=VAULT";
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.extend(["--secrets-dir", "secrets"]);
    std::fs::create_dir(server.place().path().join("secrets")).unwrap();
    server
        .place()
        .write("secrets/file-secret", format!("{SECRET}\n"));
    let mut command = server.command(&words);
    command
        .env("VAULT", SECRET)
        .env("UNSHARED", "not for tasks");
    let log = server.place().path().join("worker.log");
    let worker = Process::start(command, &log);
    // Its length shows that it came; the text itself is not printed.
    let script = "test -z \"$VAULT$UNSHARED\" && echo ${#ONE} ${#TWO}; exit $CODE";
    let flags = "--group g --env-secret ONE=DB --env-secret TWO=file-secret --env CODE=";
    let good = server.submit_script(&format!("{flags}0"), script);
    let bad = server.submit_script(&format!("{flags}3"), script);
    server.run(&format!("wait {good}")).exits(0);
    server.run(&format!("wait {bad}")).exits(2);
    let length = SECRET.len();
    let output = format!("{length} {length}\n");
    assert_eq!(server.task(&good)["output"], json!(output));
    // One that nobody has fails for good, and says which it is.
    let flags = "--group g --max-attempts 5 --backoff 10ms --env-secret ONE=UNSHARED";
    let missing = server.submit_script(flags, "true");
    server.run(&format!("wait {missing}")).exits(2);
    let task = server.task(&missing);
    assert_eq!(
        (&task["reason"], &task["attempt"]),
        (&json!("could_not_start"), &json!(1))
    );
    let message = task["message"].as_str().unwrap_or_default();
    assert!(message.contains("UNSHARED"), "{task}");
    let mut shown = String::new();
    for line in [
        format!("task show {good} -o json"),
        format!("task show {bad} -o json"),
        format!("logs {good}"),
        "events --after 0".to_owned(),
        "stats -o json".to_owned(),
        "worker list -o json".to_owned(),
    ] {
        let run = server.run(&line);
        shown += &run.stdout;
        shown += &run.stderr;
    }
    let metrics = metrics(&server);
    assert!(metrics.contains("capataz_"), "{metrics}");
    shown += &metrics;
    assert!(shown.contains("file-secret"), "the name is no secret");
    assert!(!shown.contains(SECRET), "{shown}");
    drop(worker);
    server.stop();
    let mut files = 0;
    for path in files_below(server.place().path()) {
        let bytes = std::fs::read(&path).unwrap();
        let has = bytes.windows(length).any(|part| part == SECRET.as_bytes());
        assert_eq!(
            has,
            path.ends_with("secrets/file-secret"),
            "{}",
            path.display()
        );
        files += 1;
    }
    assert!(files > 5, "{files} files");
}

/// What a scraper is told.
fn metrics(server: &Server) -> String {
    let address = server.url().strip_prefix("http://").unwrap();
    let token = server.place().read("data/admin-token");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close");
    write!(stream, "GET /metrics HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false if path.is_file() => found.push(path),
            false => {}
        }
    }
    found
}
