//! Attempts as processes: what they are given, and what their ends become.

use std::time::Duration;

use crate::support::{Bench, command, failure, message, sh};
use bytes::Bytes;
use capataz_worker::process::{CommandPolicy, Limits};
use capataz_worker::{
    Assignment, FailReason, LOG_BYTES_MAX, LOG_TAIL_BYTES, OUTPUT_BYTES_MAX, Outcome, OutputMode,
    STDOUT_OUTPUT_MAX, Stream,
};

#[tokio::test]
async fn a_command_succeeds_and_its_stdout_is_its_output() {
    let mut bench = Bench::new();
    let finished = bench.run(sh("echo talk >&2; echo result")).await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    assert_eq!(finished.output.as_deref(), Some(&b"result\n"[..]));
    assert!(!finished.output_cut);
    assert_eq!(finished.log_tail.text(Stream::Stderr), b"talk\n");
    assert!(finished.usage.max_rss_bytes > 0);
    assert!(finished.usage.wall > Duration::ZERO);
    let finished = bench.run(command(&["true"])).await;
    assert_eq!(
        (finished.outcome, finished.output),
        (Outcome::Succeeded, None)
    );
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let mut bench = Bench::new();
    let finished = bench.run(sh("echo half; exit 3")).await;
    assert_eq!(
        failure(&finished),
        (FailReason::Error, Some(3), None, false)
    );
    assert_eq!(message(&finished), "exited with code 3");
    assert_eq!(finished.output.as_deref(), Some(&b"half\n"[..]));
    let finished = bench.run(sh("kill -SEGV $$")).await;
    assert_eq!(
        failure(&finished),
        (FailReason::Killed, None, Some(11), false)
    );
    assert_eq!(message(&finished), "killed by signal 11 (SIGSEGV)");
}

#[tokio::test]
async fn cpu_time_and_memory_are_measured() {
    let mut bench = Bench::new();
    let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; head -c 1 /dev/zero";
    let finished = bench.run(sh(script)).await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    let cpu = finished.usage.cpu_user + finished.usage.cpu_system;
    assert!(
        cpu > Duration::from_millis(10) && cpu <= finished.usage.wall * 2,
        "{cpu:?}"
    );
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let mut bench = Bench::new();
    let finished = bench.run(command(&["no-such-command"])).await;
    assert_eq!(
        failure(&finished),
        (FailReason::CouldNotStart, Some(127), None, false)
    );
    assert!(
        message(&finished).contains("no such command along PATH"),
        "{finished:?}"
    );
    let finished = bench.run(command(&["/no/such/file"])).await;
    assert_eq!(
        failure(&finished),
        (FailReason::CouldNotStart, Some(127), None, false)
    );
    let plain = bench.path("plain");
    std::fs::write(&plain, "text").unwrap();
    let finished = bench.run(command(&[&plain])).await;
    assert_eq!(
        failure(&finished),
        (FailReason::CouldNotStart, Some(126), None, false)
    );
    let finished = bench.run(command(&["echo", "nul\0byte"])).await;
    assert_eq!(failure(&finished).0, FailReason::CouldNotStart);
    let finished = bench.run(command(&["true"])).await;
    assert_eq!(finished.outcome, Outcome::Succeeded, "the guard goes on");
}

#[tokio::test]
async fn the_payload_is_on_stdin_and_in_a_file() {
    let mut bench = Bench::new();
    let script = "cat; echo; cat \"$CAPATAZ_PAYLOAD\"; ls \"$CAPATAZ_SCRATCH\"";
    let payload = Bytes::from_static(b"to do");
    let finished = bench
        .run(Assignment {
            payload,
            ..sh(script)
        })
        .await;
    assert_eq!(
        finished.output.as_deref(),
        Some(&b"to do\nto dopayload\n"[..])
    );
    let finished = bench.run(sh(script)).await;
    assert_eq!(
        finished.output.as_deref(),
        Some(&b"\n"[..]),
        "both are empty without one"
    );
}

#[tokio::test]
async fn the_output_file_counts_before_stdout() {
    let mut bench = Bench::new();
    let both = "echo talk; printf result > \"$CAPATAZ_OUTPUT\"";
    let expected: [(OutputMode, Option<&[u8]>); 4] = [
        (OutputMode::Auto, Some(b"result")),
        (OutputMode::File, Some(b"result")),
        (OutputMode::Stdout, Some(b"talk\n")),
        (OutputMode::None, None),
    ];
    for (output, kept) in expected {
        let finished = bench.run(Assignment { output, ..sh(both) }).await;
        assert_eq!(finished.outcome, Outcome::Succeeded);
        assert_eq!(finished.output.as_deref(), kept, "{output:?}");
    }
    let finished = bench
        .run(Assignment {
            output: OutputMode::File,
            ..sh("echo talk")
        })
        .await;
    assert_eq!(finished.output, None);
}

#[tokio::test]
async fn an_output_file_has_a_limit() {
    let mut bench = Bench::new();
    let write = |bytes| sh(format!("head -c {bytes} /dev/zero > \"$CAPATAZ_OUTPUT\""));
    let finished = bench.run(write(OUTPUT_BYTES_MAX)).await;
    assert_eq!(
        finished.output.map(|output| output.len()),
        Some(OUTPUT_BYTES_MAX)
    );
    let finished = bench.run(write(OUTPUT_BYTES_MAX + 1)).await;
    assert_eq!(failure(&finished).0, FailReason::OutputTooLarge);
    assert!(failure(&finished).3, "fatal");
    assert!(
        message(&finished).contains("524289 bytes, the limit is 524288"),
        "{finished:?}"
    );
    let finished = bench.run(sh("ln -s /etc/passwd \"$CAPATAZ_OUTPUT\"")).await;
    assert!(
        message(&finished).starts_with("CAPATAZ_OUTPUT cannot be read"),
        "{finished:?}"
    );
    let finished = bench.run(sh("mkfifo \"$CAPATAZ_OUTPUT\"")).await;
    assert!(
        message(&finished).contains("no regular file"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_huge_stdout_is_bounded() {
    let mut bench = Bench::new();
    let finished = bench
        .run(sh("head -c 200000000 /dev/zero; printf 'the end' >&2"))
        .await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    assert_eq!(
        finished.output.map(|output| output.len()),
        Some(STDOUT_OUTPUT_MAX)
    );
    assert!(finished.output_cut);
    assert_eq!(finished.log_tail.len(), LOG_TAIL_BYTES);
    let passed: usize = bench.logs.iter().map(|chunk| chunk.bytes.len()).sum();
    assert!(passed <= LOG_BYTES_MAX, "{passed}");
    let last = bench
        .logs
        .iter()
        .rfind(|chunk| chunk.stream == Stream::Stdout)
        .unwrap();
    assert_eq!(last.offset + last.bytes.len() as u64, 200_000_000);
}

#[tokio::test]
async fn logs_can_be_followed_while_it_runs() {
    let mut bench = Bench::new();
    let go = bench.path("go");
    bench.start(
        1,
        sh(format!(
            "echo one; while [ ! -e {go} ]; do sleep 0.01; done; echo two >&2"
        )),
    );
    let chunk = bench.log().await;
    assert_eq!(
        (chunk.stream, chunk.offset, &chunk.bytes[..]),
        (Stream::Stdout, 0, &b"one\n"[..])
    );
    std::fs::write(&go, "").unwrap();
    let chunk = bench.log().await;
    assert_eq!(
        (chunk.stream, chunk.offset, &chunk.bytes[..]),
        (Stream::Stderr, 0, &b"two\n"[..])
    );
    assert_eq!(bench.finished().await.1.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn the_environment_is_clean() {
    let mut bench = Bench::new();
    let mut assignment = command(&["env"]);
    assignment.env = vec![("CURVE".into(), "USD".into())];
    assignment.tags = vec!["a b".into(), "c".into()];
    let finished = bench.run(assignment).await;
    let output = String::from_utf8(finished.output.unwrap().to_vec()).unwrap();
    let mut names: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    names.sort_unstable();
    for (name, value) in [
        ("CAPATAZ_TASK_ID", "7.3"),
        ("CAPATAZ_ATTEMPT", "2"),
        ("CAPATAZ_GROUP", "g"),
        ("CAPATAZ_INDEX", "3"),
        ("CAPATAZ_POD", "pod-1"),
        ("CAPATAZ_WORKER", "bench"),
        ("CAPATAZ_TAGS", "[\"a b\",\"c\"]"),
        ("CURVE", "USD"),
    ] {
        assert!(
            names.contains(&(name, value)),
            "{name}={value} in {names:?}"
        );
    }
    // Cargo sets these for the test itself; they must stop at the worker.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let passed = ["PATH", "HOME", "LANG", "TZ", "USER", "TMPDIR", "CURVE"];
    for (name, _) in names {
        let known = passed.contains(&name) || name.starts_with("LC_");
        assert!(known || name.starts_with("CAPATAZ_"), "{name} leaked");
    }
}

#[tokio::test]
async fn signals_are_at_their_defaults_and_no_descriptor_is_inherited() {
    let mut bench = Bench::new();
    // Without a shell, which would set some of it right by itself.
    let finished = bench.run(command(&["cat", "/proc/self/status"])).await;
    let output = String::from_utf8(finished.output.unwrap().to_vec()).unwrap();
    for mask in ["SigBlk:", "SigIgn:", "SigCgt:"] {
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix(mask))
            .unwrap();
        let mask_bits = u64::from_str_radix(line.trim(), 16).unwrap();
        // From 32 up they are the C library's own.
        assert_eq!(mask_bits & 0x7fff_ffff, 0, "{mask} {line}");
    }
    let finished = bench.run(command(&["ls", "/proc/self/fd"])).await;
    // `ls` itself holds the folder it lists, as 3.
    assert_eq!(finished.output.as_deref(), Some(&b"0\n1\n2\n3\n"[..]));
}

#[tokio::test]
async fn the_scratch_folder_is_its_own_and_removed() {
    let mut bench = Bench::new();
    let script = "mkdir $CAPATAZ_SCRATCH/deep; touch $CAPATAZ_SCRATCH/deep/file; \
                  stat -c %a $CAPATAZ_SCRATCH; printf %s $CAPATAZ_SCRATCH";
    let finished = bench.run(sh(script)).await;
    let output = String::from_utf8(finished.output.unwrap().to_vec()).unwrap();
    let (mode, folder) = output.split_once('\n').unwrap();
    assert_eq!(mode, "700");
    crate::support::until("the folder's removal", || {
        (!std::fs::exists(folder).unwrap()).then_some(())
    });
}

#[tokio::test]
async fn no_attempt_sees_what_another_left_in_its_scratch_folder() {
    let mut bench = Bench::new();
    let look = "ls -A $CAPATAZ_SCRATCH; stat -c %a $CAPATAZ_SCRATCH; ";
    for spoil in [
        "true",
        "touch $CAPATAZ_SCRATCH/x",
        "chmod 777 $CAPATAZ_SCRATCH",
        "true",
    ] {
        let finished = bench.run(sh(format!("{look} {spoil}"))).await;
        assert_eq!(finished.outcome, Outcome::Succeeded);
        assert_eq!(finished.output.as_deref(), Some(&b"700\n"[..]));
    }
    let rm = "rmdir $CAPATAZ_SCRATCH";
    assert_eq!(bench.run(sh(rm)).await.outcome, Outcome::Succeeded);
    assert_eq!(
        bench.run(sh(look)).await.output.as_deref(),
        Some(&b"700\n"[..])
    );
}

#[tokio::test]
async fn a_control_file_says_more_than_an_exit_code() {
    let mut bench = Bench::new();
    let finished = bench
        .run(sh("echo '{\"again_in\": \"1m 30s\"}' > $CAPATAZ_CONTROL"))
        .await;
    assert_eq!(
        finished.outcome,
        Outcome::Again {
            after: Duration::from_secs(90)
        }
    );
    let fatal = "echo '{\"fatal\": \"no such account\"}' > $CAPATAZ_CONTROL; exit 4";
    let finished = bench.run(sh(fatal)).await;
    assert_eq!(failure(&finished), (FailReason::Error, Some(4), None, true));
    assert_eq!(message(&finished), "no such account");
    let finished = bench.run(sh("echo soon > $CAPATAZ_CONTROL")).await;
    assert_eq!(
        failure(&finished),
        (FailReason::Error, Some(0), None, false)
    );
    assert!(
        message(&finished).contains("line 1: expected one JSON object"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_fixed_command_is_the_only_one() {
    let fixed = CommandPolicy::Fixed(vec!["cat".into()]);
    let mut bench = Bench::with(|config| config.commands = fixed);
    let task = |argv: &[&str]| Assignment {
        payload: Bytes::from_static(b"payload"),
        ..command(argv)
    };
    let finished = bench.run(task(&[])).await;
    assert_eq!(finished.output.as_deref(), Some(&b"payload"[..]));
    let finished = bench.run(task(&["id"])).await;
    assert_eq!(failure(&finished), (FailReason::Error, None, None, true));
    assert!(message(&finished).contains("fixed by its operator"));
    let env = vec![("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned())];
    let finished = bench.run(Assignment { env, ..task(&[]) }).await;
    assert!(failure(&finished).3, "fatal");
    let mut bench = Bench::new();
    let finished = bench.run(task(&[])).await;
    assert!(
        message(&finished).contains("brings no command"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn limits_bind_the_process() {
    let limits = Limits {
        memory_bytes: Some(512 << 20),
        open_files: Some(99),
        cpu: Some(Duration::from_secs(7)),
        ..Limits::default()
    };
    let mut bench = Bench::with(|config| config.limits = limits);
    let script = "ulimit -v; ulimit -n; ulimit -t; ulimit -c; grep NoNewPrivs /proc/self/status";
    // The limits are set just after the start; a second shell begins well after that.
    let finished = bench.run(sh(format!("sleep 0.1; sh -c '{script}'"))).await;
    let output = String::from_utf8(finished.output.unwrap().to_vec()).unwrap();
    assert_eq!(output, "524288\n99\n7\n0\nNoNewPrivs:\t1\n");
}

#[tokio::test]
async fn two_hundred_attempts_at_once() {
    const ATTEMPTS: u64 = 200;
    let mut bench = Bench::new();
    let gate = bench.path("gate");
    for id in 0..ATTEMPTS {
        let script = format!("while [ ! -e {gate} ]; do sleep 0.1; done; echo {id}");
        bench.start(id, sh(script));
    }
    bench.start(ATTEMPTS, command(&["true"]));
    assert_eq!(
        bench.finished().await.0,
        ATTEMPTS,
        "all others wait at the gate"
    );
    std::fs::write(&gate, "").unwrap();
    let mut ended = std::collections::BTreeSet::new();
    for _ in 0..ATTEMPTS {
        let (id, finished) = bench.finished().await;
        assert_eq!(finished.outcome, Outcome::Succeeded);
        assert_eq!(
            finished.output.as_deref(),
            Some(format!("{id}\n").as_bytes())
        );
        ended.insert(id);
    }
    assert_eq!(ended.len() as u64, ATTEMPTS);
}
