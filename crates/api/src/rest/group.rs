//! Groups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Counts, present};

/// A consumer group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The most attempts of it that may run at once; null without a bound.
    pub max_running: Option<u32>,
    /// Whether its tasks are held back.
    pub paused: bool,
    /// How many of its tasks are where; ended ones since the namespace began.
    pub counts: Counts,
}

/// Changes a group; one that does not exist is made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// The most attempts that may run at once; null lifts the bound, absent leaves it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u32>)]
    pub max_running: Option<Option<u32>>,
}

impl Body for GroupPatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_lifts_the_bound_and_absence_leaves_it() {
        for (json, bound) in [
            ("{}", None),
            (r#"{"max_running":null}"#, Some(None)),
            (r#"{"max_running":3}"#, Some(Some(3))),
        ] {
            let patch = super::super::parse_body::<GroupPatch>(json.as_bytes()).expect(json);
            assert_eq!(patch.max_running, bound, "{json}");
            assert_eq!(serde_json::to_string(&patch).ok().as_deref(), Some(json));
        }
    }
}
