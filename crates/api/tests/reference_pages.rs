//! The reference pages say what the code does.

use capataz_api::limits;
use capataz_api::problem::Code;

const LIMITS_PAGE: &str = include_str!("../../../docs/reference/limits.md");
const ERRORS_PAGE: &str = include_str!("../../../docs/reference/errors.md");
const LIMITS_SOURCE: &str = include_str!("../src/limits.rs");

macro_rules! values {
    ($($name:ident),* $(,)?) => { vec![$((stringify!($name), limits::$name as u64)),*] };
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn every_limit_is_on_its_page_with_its_value() {
    let values = values![
        REQUEST_BYTES,
        PAYLOAD_BYTES,
        PAYLOAD_BYTES_MAX,
        TAG_BYTES,
        TAGS,
        META_BYTES,
        NAME_BYTES,
        BATCH_RUNS,
        BATCH_TASKS,
        BATCH_BYTES,
        ARGUMENTS,
        ARGUMENT_BYTES,
        AFFINITY_KEYS,
        WORKER_GROUPS,
        SLOTS,
        PRIORITY_MIN,
        PRIORITY_MAX,
        PRIORITY_DEFAULT,
        COUNT_MAX,
        ATTEMPTS_MAX,
        ATTEMPTS_DEFAULT,
        LOST_DEFAULT,
        BACKOFF_INITIAL_US,
        BACKOFF_CAP_US,
        BACKOFF_FACTOR_PERCENT,
        BACKOFF_FACTOR_PERCENT_MAX,
        BACKOFF_JITTER_PERCENT,
        JSON_DEPTH,
        WAIT_IDS,
        LONG_POLL_SECS,
        STREAM_KEEPALIVE_SECS,
        STREAM_SILENCE_SECS,
        LIST_LIMIT,
        LIST_LIMIT_DEFAULT,
        LOG_BYTES,
        LOG_TAIL_BYTES,
        MESSAGE_BYTES,
        DURATION_MAX_SECS,
        DURATION_MAX_US,
        TIMESTAMP_MAX_US,
    ];
    for (name, value) in &values {
        let row = format!("| `{name}` | {} |", grouped(*value));
        assert!(
            LIMITS_PAGE.contains(&row),
            "docs/reference/limits.md lacks {row:?}"
        );
    }
    let declared = LIMITS_SOURCE
        .lines()
        .filter(|line| line.starts_with("pub const "));
    assert_eq!(
        declared.count(),
        values.len(),
        "this test misses a constant"
    );
    let rows = LIMITS_PAGE.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(
        rows.count(),
        values.len(),
        "the page has a limit that is gone"
    );
}

#[test]
fn every_code_is_on_its_page_with_its_status() {
    for code in Code::ALL {
        let star = if code.is_transient() { "*" } else { "" };
        let row = format!("| `{}`{star} | {} |", code.as_str(), code.status());
        assert!(
            ERRORS_PAGE.contains(&row),
            "docs/reference/errors.md lacks {row:?}"
        );
    }
    let rows = ERRORS_PAGE.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(
        rows.count(),
        Code::ALL.len(),
        "the page has a code that is gone"
    );
}
