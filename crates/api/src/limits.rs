//! Bounds on what goes over the wire, with their reasons. The server enforces every one of them;
//! clients check them early. Bounds on counts live in the engine.

/// A request's body, decompressed.
pub const REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// A payload or output, unless the operator raises it.
pub const PAYLOAD_BYTES: usize = 256 * 1024;
/// What an operator may raise [`PAYLOAD_BYTES`] to: larger data goes by reference.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// One tag.
pub const TAG_BYTES: usize = 255;
/// Tags of one task.
pub const TAGS: usize = 32;
/// A task's meta, as compact JSON.
pub const META_BYTES: usize = 16 * 1024;
/// Names of groups, pods and workers, and dedup and affinity keys.
pub const NAME_BYTES: usize = 255;
/// Tasks of one submission; larger ones are split by the client.
pub const BATCH_TASKS: usize = 10_000;
/// Runs that one call starts.
pub const BATCH_RUNS: usize = 1_000;
/// Bytes of one submission's tasks, encoded.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Arguments of a task's argv, and variables of its env.
pub const ARGUMENTS: usize = 4_096;
/// All of argv and env together: what the kernel takes in one `execve` is about this.
pub const ARGUMENT_BYTES: usize = 128 * 1024;
/// Affinity keys of one task.
pub const AFFINITY_KEYS: usize = 64;
/// Groups that one worker may serve.
pub const WORKER_GROUPS: usize = 1_000;
/// Slots of a pod, and attempts that a worker runs or asks for at once.
pub const SLOTS: u32 = 100_000;
/// The least urgent priority.
pub const PRIORITY_MIN: u32 = 1;
/// The most urgent priority.
pub const PRIORITY_MAX: u32 = 9;
/// The priority of a task that names none.
pub const PRIORITY_DEFAULT: u32 = 5;
/// Elements of one array: what the largest known users ask for.
pub const COUNT_MAX: u32 = 50_000_000;
/// What `max_attempts` and `max_lost` may be: more is a loop, not a budget.
pub const ATTEMPTS_MAX: u32 = 1_000_000;
/// Attempts of a task that names no budget: nothing is run twice unless asked.
pub const ATTEMPTS_DEFAULT: u32 = 1;
/// Lost workers that a task forgives when it names no budget.
pub const LOST_DEFAULT: u32 = 3;
/// The pause after the first failure of a task that names no backoff: one second.
pub const BACKOFF_INITIAL_US: u64 = 1_000_000;
/// The longest pause of a backoff that names none: five minutes.
pub const BACKOFF_CAP_US: u64 = 300 * 1_000_000;
/// Growth of a backoff that names none, in hundredths: each pause is twice the one before.
pub const BACKOFF_FACTOR_PERCENT: u32 = 200;
/// The steepest growth of a backoff, in hundredths; the gentlest is 100, which is none.
pub const BACKOFF_FACTOR_PERCENT_MAX: u32 = 10_000;
/// Spread of a backoff that names none, in percent of the pause.
pub const BACKOFF_JITTER_PERCENT: u32 = 25;
/// How deep JSON may be nested.
pub const JSON_DEPTH: usize = 64;
/// Ids that one `wait` may name; clients split longer lists.
pub const WAIT_IDS: usize = 10_000;
/// How long one call may wait before it is answered: well below what proxies cut off.
pub const LONG_POLL_SECS: u64 = 60;
/// How often a stream of server-sent events says something, if only a comment.
pub const STREAM_KEEPALIVE_SECS: u64 = 15;
/// After how much silence a client takes such a stream for broken: three missed comments.
pub const STREAM_SILENCE_SECS: u64 = 45;
/// Items of one page of a list.
pub const LIST_LIMIT: usize = 10_000;
/// Items of one page of a list that names no limit.
pub const LIST_LIMIT_DEFAULT: usize = 100;
/// What is kept of one attempt's stdout and stderr together.
pub const LOG_BYTES: usize = 1024 * 1024;
/// What of it travels with the completion and so survives with it.
pub const LOG_TAIL_BYTES: usize = 16 * 1024;
/// A message of a failed attempt.
pub const MESSAGE_BYTES: usize = 4 * 1024;
/// The longest duration that is accepted anywhere: a hundred years.
pub const DURATION_MAX_SECS: u64 = 100 * 365 * 24 * 3600;
/// [`DURATION_MAX_SECS`] in microseconds, the unit of the wire.
pub const DURATION_MAX_US: u64 = DURATION_MAX_SECS * 1_000_000;
/// The latest point in time that is accepted anywhere, in microseconds since 1970: the end of the
/// year 9999, which is as far as RFC 3339 goes.
pub const TIMESTAMP_MAX_US: u64 = 253_402_300_799_999_999;
