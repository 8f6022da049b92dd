//! Replays the inputs that are kept of a fuzz target.

use std::path::Path;

/// Checks every input of `fuzz/corpus/TARGET`; the last one that a failure names is to blame.
pub(crate) fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let inputs = std::fs::read_dir(folder.join(target)).expect("a corpus");
    let mut count = 0;
    for input in inputs {
        let path = input.expect("a readable folder").path();
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("a readable input"));
        count += 1;
    }
    assert!(count > 0, "there are no inputs of {target}");
}
