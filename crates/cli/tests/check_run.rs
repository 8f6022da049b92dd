//! The tests of `examples/check_run.py`, which are in Python like the script.

use std::path::Path;
use std::process::Command;

#[test]
fn the_check_of_runs_holds() {
    let test = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/check_run_test.py");
    match Command::new("python3").arg("-B").arg(test).output() {
        Err(error) => eprintln!("NOT CHECKED: python3 does not start: {error}"),
        Ok(output) => {
            let talk = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{talk}");
            assert!(!talk.contains("Ran 0 tests"), "{talk}");
        }
    }
}
