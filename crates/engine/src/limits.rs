//! Every bound the engine itself enforces, with its reason. Bounds on bytes (payload, tags, meta,
//! output) belong to the API, which checks them before a command is made.

use crate::time::Span;

/// Most urgent priority. Nine levels are what KWQ's users have, and few enough to scan.
pub const PRIORITY_MAX: u8 = 9;
/// Least urgent priority.
pub const PRIORITY_MIN: u8 = 1;
/// Priority of a task that names none.
pub const PRIORITY_DEFAULT: u8 = 5;

/// Tasks in one submission: one journal record must hold it, and one decision stays short.
pub const SUBMISSION_TASKS: usize = 10_000;
/// Groups in a namespace: they are never forgotten, so their number is bounded.
pub const GROUPS: usize = 100_000;
/// Pods known at once: a guard against clients that invent a pod name per call.
pub const PODS: usize = 100_000;
/// Workers known at once, for the same reason.
pub const WORKERS: usize = 100_000;
/// Tokens kept: every request looks one up, and nobody hands out more by hand.
pub const TOKENS: usize = 10_000;
/// How long an expired token is listed before a new one may take its room.
pub const EXPIRED_TOKEN_KEPT: Span = Span::secs(86_400);
/// Groups that one worker may serve.
pub const WORKER_GROUPS: usize = 1_000;
/// Slots of a pod and concurrency of a worker.
pub const SLOTS: u32 = 100_000;
/// Affinity keys of a task, and keys that a worker announces or remembers.
pub const AFFINITY_KEYS: usize = 64;
/// Live tasks in a namespace: at about a hundred bytes each this is what one machine holds.
pub const LIVE_TASKS: u64 = 100_000_000;

/// Workflows known at once, registered or with a run: a guard against clients that invent a name
/// per run.
pub const WORKFLOWS: usize = 100_000;
/// Runs that are not over: at some kilobytes each this is what one machine holds.
pub const LIVE_RUNS: usize = 1_000_000;
/// Steps of a run, with those that were added to it: the same as of a workflow.
pub const RUN_STEPS: usize = 100_000;
/// Bytes of a version of a workflow, and of what is kept of an ended run that runs again: with what
/// else a turn may hold, one record of the journal must take it.
pub const VERSION_BYTES: usize = 5 * 1024 * 1024;
/// Items of a fan-out.
pub const FAN_OUT: u32 = 100_000;
/// Bytes of one output that other steps refer to: every run under way is held in memory.
pub const STEP_OUTPUT_BYTES: usize = 64 * 1024;
/// Bytes of all outputs of a run that steps refer to.
pub const RUN_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Tasks that are looked at for a better affinity match before the head of the queue is taken.
pub const AFFINITY_LOOK_AHEAD: usize = 256;
/// Free workers that are looked at for a better affinity match before the least used one is taken.
pub const AFFINITY_WORKERS: usize = 64;
/// Times that a task may be passed over for a better match; then it goes first.
pub const AFFINITY_SKIPS: u16 = 255;

/// Tasks that a namespace can ever accept: an id has 37 bits beside the 26 of an element.
pub const TASK_IDS: u64 = 1 << 37;
/// Attempts that a retried task may have behind it: far above every budget, and below the point
/// where numbering could overflow.
pub const ATTEMPTS: u32 = 1 << 31;

/// How long a dedup key outlives its task.
pub const DEDUP_KEPT: Span = Span::secs(3_600);
/// How long an answered request id is remembered.
pub const REQUEST_KEPT: Span = Span::secs(600);
/// How long a pod that is empty, never set and not held is remembered.
pub const EMPTY_POD_KEPT: Span = Span::secs(3_600);
/// Dedup keys kept, unless configured otherwise.
pub const DEDUP_KEYS: u64 = 10_000_000;
/// Request ids kept, unless configured otherwise.
pub const REQUEST_IDS: u64 = 1_000_000;

/// Expired dedup keys and request ids that one event may sweep out, so that `apply` stays short.
pub const SWEEP_PER_EVENT: usize = 64;
/// Timers that one tick may fire, so that a million tasks due at once do not stall the loop.
pub const TIMERS_PER_TICK: usize = 4_096;
