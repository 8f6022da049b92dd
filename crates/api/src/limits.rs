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
/// Bytes of one submission's tasks, encoded.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Arguments of a task's argv, and variables of its env.
pub const ARGUMENTS: usize = 4_096;
/// All of argv and env together: what the kernel takes in one `execve` is about this.
pub const ARGUMENT_BYTES: usize = 128 * 1024;
/// How deep JSON may be nested.
pub const JSON_DEPTH: usize = 64;
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
