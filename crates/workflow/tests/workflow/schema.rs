//! The published schema is the one that this crate makes.

use std::path::Path;

use capataz_workflow::schema;

#[test]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../../docs/reference/workflow.schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("a schema is JSON") + "\n";
    #[expect(
        clippy::disallowed_methods,
        reason = "the schema lies beside this crate"
    )]
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    if published != current {
        #[expect(clippy::disallowed_methods, reason = "the next run is to pass")]
        std::fs::write(&path, &current).expect("the schema is written");
        panic!("docs/reference/workflow.schema.json was not current; it is now");
    }
}
