//! From a line of a scenario to a command of the engine.

use bytes::Bytes;
use capataz_engine::{
    Backoff, Command, Hello, NewTask, NewToken, OnLost, Outcome, PodSettings, Policy, Reason,
    Report, Request, Role, Span, Submission, TokenId, Usage, WorkerId, limits,
};

use super::line::{Line, key};

/// Reads `submit 3 group=etl priority=9 and group=ml`.
pub(crate) fn submission(text: &str) -> Submission {
    let mut submission = Submission::default();
    for part in text.split(" and ") {
        let line = Line::parse(part);
        let group = line.text("group").unwrap_or("etl").to_owned();
        let number = submission.groups.len() as u32;
        let task = new_task(&line, number);
        let repeat = line.words().iter().find_map(|word| word.parse().ok());
        submission.groups.push(group);
        submission.policies.push(policy(&line));
        let tasks = std::iter::repeat_n(task, repeat.unwrap_or(1));
        submission.tasks.extend(tasks);
        submission.request = submission.request.or(request(&line));
    }
    submission
}

/// The request id that a line names, with what it asks.
pub(crate) fn request(line: &Line) -> Option<Request> {
    let id = number_of(line.text("request")?);
    let content = number_of(&format!("{:?} {}", line.words(), line.content()));
    Some(Request { id, content })
}

fn new_task(line: &Line, number: u32) -> NewTask {
    let affinity = line.list("affinity");
    let dedup = line.text("dedup").map(number_of);
    NewTask {
        group: number,
        policy: number,
        priority: line
            .number("priority")
            .unwrap_or(limits::PRIORITY_DEFAULT.into()) as u8,
        count: line.number("count"),
        not_before: None,
        delay: line.span("delay"),
        expires_at: None,
        expires_in: line.span("expires_in"),
        dedup: dedup.map(|key| (key, number_of(&line.content()))),
        affinity: affinity
            .iter()
            .map(|key| Submission::affinity_hash(key))
            .collect(),
        body: Bytes::new(),
    }
}

/// Without jitter, so that a reader can check the times.
fn policy(line: &Line) -> Policy {
    let backoff = Backoff {
        initial: line.span("backoff").unwrap_or(Span::secs(1)),
        cap: line.span("cap").unwrap_or(Span::secs(300)),
        jitter_percent: 0,
        ..Backoff::default()
    };
    Policy {
        max_attempts: line.number("max_attempts").unwrap_or(1),
        max_lost: line.number("max_lost").unwrap_or(3),
        backoff,
        timeout: line.span("timeout"),
    }
}

/// Reads `join w1 pod=p1 groups=etl,ml concurrency=2 running=1#1`.
pub(crate) fn hello(name: &str, line: &Line) -> Hello {
    let token = |text: &String| {
        let (task, attempt) = text.split_once('#').expect("TASK#ATTEMPT");
        (key(task), attempt.parse().expect("a number"))
    };
    let affinity = line.list("affinity");
    let mut groups = line.list("groups");
    if groups.is_empty() {
        groups.push("etl".to_owned());
    }
    Hello {
        name: name.to_owned(),
        incarnation: line.number("incarnation").unwrap_or(1).into(),
        connection: line.number("connection").unwrap_or(0).into(),
        host: line.text("host").unwrap_or("h1").to_owned(),
        build: "1".to_owned(),
        pod: line.text("pod").unwrap_or("p1").to_owned(),
        pod_slots: line.number("slots"),
        groups,
        concurrency: line.number("concurrency").unwrap_or(1),
        polling: line.says("polling"),
        remember: line.number("remember").unwrap_or(0),
        affinity: affinity
            .iter()
            .map(|key| Submission::affinity_hash(key))
            .collect(),
        running: line.list("running").iter().map(token).collect(),
    }
}

/// Commands that need nothing but their line and the worker it names.
pub(crate) fn simple(line: &Line, worker: impl Fn(&str) -> WorkerId) -> Command {
    let words = line.words();
    let paused = |paused| PodSettings {
        paused: Some(paused),
        ..PodSettings::default()
    };
    match words[..] {
        ["detach", name] => Command::Detach {
            worker: worker(name),
        },
        ["leave", name] => Command::Leave {
            worker: worker(name),
        },
        ["lose", "task", ..] => {
            let (key, attempt) = line.token();
            Command::LoseLease { key, attempt }
        }
        ["lose", name] => Command::LoseWorker {
            worker: worker(name),
        },
        ["drain", name] => Command::Drain {
            worker: worker(name),
            on: true,
        },
        ["undrain", name] => Command::Drain {
            worker: worker(name),
            on: false,
        },
        ["poll", name] => Command::Poll {
            worker: worker(name),
            poll: line.number("id").unwrap_or(1).into(),
            max: line.number("max").unwrap_or(1),
        },
        ["end", "poll", name] => Command::EndPoll {
            worker: worker(name),
            poll: line.number("id").unwrap_or(1).into(),
        },
        ["announce", name] => {
            let keys = line.list("affinity");
            let keys = keys
                .iter()
                .map(|key| Submission::affinity_hash(key))
                .collect();
            Command::Announce {
                worker: worker(name),
                keys,
            }
        }
        ["pause", "group", name] => set_group(name, None, Some(true)),
        ["resume", "group", name] => set_group(name, None, Some(false)),
        ["set", "group", name] => {
            let max = line.text("max_running").map(|max| max.parse().ok());
            set_group(name, max, None)
        }
        ["pause", "pod", name] => set_pod(name, paused(true)),
        ["resume", "pod", name] => set_pod(name, paused(false)),
        ["set", "pod", name] => set_pod(name, pod_settings(line)),
        ["release", "pod", name] => Command::ReleasePod {
            pod: name.to_owned(),
        },
        ["cancel", "task", ..] => Command::Cancel {
            key: line.key(),
            note: String::new(),
        },
        ["create", "token", number] => Command::CreateToken(new_token(number, line)),
        ["revoke", "token", number] => Command::RevokeToken {
            id: TokenId(number.parse().expect("a number")),
        },
        ["renew", "term"] => Command::RenewTerm,
        ["tick"] => Command::Tick,
        _ => attempt(line),
    }
}

fn new_token(number: &str, line: &Line) -> NewToken {
    let role = match line.text("role") {
        None | Some("viewer") => Role::Viewer,
        Some("submitter") => Role::Submitter,
        Some("operator") => Role::Operator,
        Some("admin") => Role::Admin,
        Some("worker") => Role::Worker {
            groups: line.list("groups"),
        },
        Some(role) => panic!("no such role: {role}"),
    };
    NewToken {
        id: TokenId(number.parse().expect("a number")),
        hash: [7; 32],
        name: line.text("name").unwrap_or("ci").to_owned(),
        role,
        expires_in: line.span("expires_in"),
    }
}

fn attempt(line: &Line) -> Command {
    let words = line.words();
    let outcome = match words.first() {
        Some(&"start") => {
            let (key, attempt) = line.token();
            let ago = line.span("ago").unwrap_or_default();
            return Command::Start { key, attempt, ago };
        }
        Some(&"complete") => Outcome::Succeeded,
        Some(&"fail") => Outcome::Failed {
            reason: if line.says("fatal") {
                Reason::Fatal
            } else {
                Reason::Error
            },
            fatal: line.says("fatal"),
        },
        Some(&"again") => Outcome::Again {
            after: line.span("in").expect("again needs in="),
        },
        Some(&"return") => Outcome::Released,
        _ => panic!("no such command: {words:?}"),
    };
    let (key, attempt) = line.token();
    Command::Report(Report {
        key,
        attempt,
        outcome,
        output: Bytes::new(),
        value: bytes::Bytes::new(),
        usage: Usage::default(),
    })
}

fn set_group(name: &str, max_running: Option<Option<u32>>, paused: Option<bool>) -> Command {
    Command::SetGroup {
        group: name.to_owned(),
        max_running,
        paused,
    }
}

fn set_pod(name: &str, settings: PodSettings) -> Command {
    Command::SetPod {
        pod: name.to_owned(),
        settings,
    }
}

fn pod_settings(line: &Line) -> PodSettings {
    let on_lost = line.text("on_lost").map(|text| match text {
        "time" => OnLost::Time,
        "hold" => OnLost::Hold,
        _ => panic!("on_lost is time or hold, not {text}"),
    });
    PodSettings {
        slots: line.number("slots"),
        on_lost,
        paused: None,
    }
}

/// A number for a text (FNV-1a), as the server would make one.
fn number_of(text: &str) -> u128 {
    Submission::affinity_hash(text).into()
}
