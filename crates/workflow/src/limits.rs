//! Bounds on definitions and on what their expressions may cost, with their reasons. What a task
//! may say is bounded by [`capataz_api::limits`].

/// A definition as text: what one request carries.
pub const DEFINITION_BYTES: usize = capataz_api::limits::REQUEST_BYTES;
/// How much a YAML document may grow by its aliases, in bytes of text and [`NODE_BYTES`] for each
/// value: four times the largest document, so that no few lines fill the memory.
pub const ALIASED_BYTES: usize = 4 * DEFINITION_BYTES;
/// What one value of a document counts for beside its text: about what it takes in memory.
pub const NODE_BYTES: usize = 64;
/// Flaws that one refusal lists: who has more begins with the first.
pub const FLAWS: usize = 100;
/// Steps of a workflow, those included that a run adds to itself.
pub const STEPS: usize = 100_000;
/// Steps that are added to a run at once: the whole is checked each time, so add many, and seldom.
pub const ADDED_STEPS: usize = capataz_api::limits::LIST_LIMIT;
/// Steps of the longest chain. Each is a turn of the engine at least.
pub const DEPTH: usize = 1_000;
/// Edges of the whole graph: enough for one step before all others and one after all of them, with
/// as much again in between.
pub const EDGES: usize = 400_000;
/// Steps that may come directly after one step, and elements of one `for_each`.
pub const FAN_OUT: usize = 100_000;
/// Bytes of the name of a workflow or parameter and of the id of a step.
pub const NAME_BYTES: usize = 255;
/// Bytes of a workflow's or a parameter's description.
pub const DESCRIPTION_BYTES: usize = 16 * 1024;
/// Parameters of a workflow.
pub const PARAMETERS: usize = 1_000;
/// Values of a parameter's `enum`.
pub const CHOICES: usize = 1_000;
/// What `max_runs`, `max_steps`, `parallelism` and the like may be: beyond it a bound bounds
/// nothing.
pub const COUNT_MAX: u32 = 1_000_000;
/// Rounds of a `repeat` that names no `max`.
pub const REPEAT_DEFAULT: u32 = 100;
/// One expression: longer ones belong into a step.
pub const EXPRESSION_BYTES: usize = 4 * 1024;
/// Parts of an expression in each other: evaluation recurses so deep.
pub const EXPRESSION_DEPTH: usize = 100;
/// What one evaluation may cost: a unit for each part evaluated and each element visited, and one
/// for each [`BYTES_PER_FUEL`] of text read or made. A filter over 100,000 elements fits.
pub const FUEL: u64 = 1_000_000;
/// Bytes of text that cost one unit of fuel.
pub const BYTES_PER_FUEL: u64 = 64;
/// A text or list that an expression makes: what one record of the journal can carry.
pub const VALUE_BYTES: usize = 4 * 1024 * 1024;
/// A regular expression's compiled size. It is compiled with each use.
pub const PATTERN_BYTES: usize = 256 * 1024;
/// What compiling a regular expression costs, in fuel.
pub const PATTERN_FUEL: u64 = 20_000;
/// What a regular expression costs for each byte of the text that it looks through: at the worst
/// every byte meets every part of it.
pub const MATCH_FUEL_PER_BYTE: u64 = 4;
/// A rendered `conflict_key`.
pub const CONFLICT_KEY_BYTES: usize = capataz_api::limits::NAME_BYTES;
/// The parameters of a run, and its message, as compact JSON.
pub const RUN_VALUE_BYTES: usize = capataz_api::limits::PAYLOAD_BYTES;
