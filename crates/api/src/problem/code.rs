//! The codes of all refusals, with the one HTTP status that each has.

use serde::Serialize;
use utoipa::ToSchema;

/// Declares the codes as one table: variant, code, status, title.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// Why a request was refused: stable, machine-readable, one HTTP status each.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code),* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status),* }
            }

            /// The code as a short sentence for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, not UTF-8, nested too deep, or has a key twice.
    MalformedJson "malformed_json" 400 "The body is not acceptable JSON";
    /// A field is missing, or its value has the wrong type or form.
    InvalidField "invalid_field" 400 "A field is invalid";
    /// A number, time or duration is outside its bounds.
    OutOfRange "out_of_range" 400 "A value is out of range";
    /// A field has more bytes or items than its limit.
    TooLarge "too_large" 400 "A field is over its limit";
    /// A field or query parameter that does not exist.
    UnknownField "unknown_field" 400 "There is no such field";
    /// Two tasks of one submission have the same dedup key.
    DuplicateInBatch "duplicate_in_batch" 400 "A dedup key comes twice in one submission";
    /// No token, or one that is not known.
    Unauthorized "unauthorized" 401 "A valid token is needed";
    /// The token's role does not allow it, or not in this namespace.
    Forbidden "forbidden" 403 "The token does not allow this";
    /// The page that sent the request is not the server's own.
    WrongOrigin "wrong_origin" 403 "The request comes from a foreign page";
    /// There is no such route, task, attempt, run, workflow, group, pod or worker.
    NotFound "not_found" 404 "Not found";
    /// The route exists, but not with this method.
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed here";
    /// None of the media types asked for can be answered.
    NotAcceptable "not_acceptable" 406 "No acceptable media type";
    /// The dedup key stands for a different request.
    DedupConflict "dedup_conflict" 409 "The dedup key is in use";
    /// The request id stands for a different request.
    RequestConflict "request_conflict" 409 "The request id was used for something else";
    /// The task is a step of a run: the run is to be retried.
    TaskOfRun "task_of_run" 409 "The task is a step of a run";
    /// The attempt's lease ended, expired or was never given.
    StaleLease "stale_lease" 409 "The attempt holds no lease";
    /// The task has not ended, so it cannot be retried.
    StillLive "still_live" 409 "The task has not ended";
    /// The task has ended, so there is nothing left to cancel or change.
    NotLive "not_live" 409 "The task has ended";
    /// The version of the workflow that was named is not the registered one.
    StaleVersion "stale_version" 409 "Another version is registered";
    /// Another run holds the conflict key.
    RunConflict "run_conflict" 409 "Another run holds the conflict key";
    /// No step of the run failed, and none was named.
    NothingToRunAgain "nothing_to_run_again" 409 "Nothing is to run again";
    /// A connected worker on another host has the name.
    WorkerNameTaken "worker_name_taken" 409 "The worker name is in use";
    /// A newer incarnation of the worker has joined.
    WorkerReplaced "worker_replaced" 409 "The worker was replaced";
    /// The worker still holds leases.
    WorkerBusy "worker_busy" 409 "The worker still holds leases";
    /// The worker's session is not known any more: it has to join again.
    UnknownWorker "unknown_worker" 409 "The worker has to join again";
    /// The whole request is larger than a request may be.
    RequestTooLarge "request_too_large" 413 "The request is too large";
    /// The body's media type is not one that the route takes.
    UnsupportedMediaType "unsupported_media_type" 415 "The media type is not supported";
    /// The definition of a workflow has flaws, or a run cannot be made of it.
    InvalidWorkflow "invalid_workflow" 422 "The workflow is not acceptable";
    /// The request names a host that this server does not answer for.
    WrongHost "wrong_host" 421 "The server does not answer for this host";
    /// The namespace holds as much as it may.
    Full "full" 429 "The namespace is full";
    /// A defect of the server. The request may or may not have had an effect.
    Internal "internal" 500 "The server failed";
    /// The server has more to do than it can; nothing was done.
    Overloaded "overloaded" 503 "The server is overloaded";
    /// The store has not reached the position asked for.
    StoreBehind "store_behind" 503 "The store is behind";
    /// This server does not lead the namespace; nothing was done.
    NotLeader "not_leader" 503 "This server does not lead";
    /// The server starts, stops or only reads; nothing was done.
    Unavailable "unavailable" 503 "The server is not available";
    /// Whether it was done is not known: ask again with the same request id.
    UnknownOutcome "unknown_outcome" 503 "The outcome is not known";
    /// The disk is nearly full or the quota is reached; completions and cancels still work.
    StorageFull "storage_full" 507 "The storage is full";
}

impl Code {
    /// The code of a text, unless it is from a later version.
    pub fn from_wire(text: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether the same request, with the same request id, may well be taken a little later.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Code::Overloaded
                | Code::StoreBehind
                | Code::NotLeader
                | Code::Unavailable
                | Code::UnknownOutcome
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelled_as_their_variants_and_found_again() {
        for code in Code::ALL {
            let json = serde_json::to_value(code).expect("a unit variant is a text");
            assert_eq!(json, code.as_str());
            assert_eq!(Code::from_wire(code.as_str()), Some(*code));
            assert!((400..=599).contains(&code.status()));
        }
    }

    #[test]
    fn only_refusals_that_may_pass_are_transient() {
        for code in Code::ALL.iter().filter(|code| code.is_transient()) {
            assert_eq!(code.status(), 503, "{code:?}");
        }
    }
}
