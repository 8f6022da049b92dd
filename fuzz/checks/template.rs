//! The lines of a file in the places of an argv: nothing is split, quoted or built without bounds.

#[path = "../../crates/cli/src/submit/lines.rs"]
mod lines;
#[path = "../../crates/cli/src/submit/pattern.rs"]
mod pattern;

use capataz_api::limits::ARGUMENT_BYTES;

/// The argv is one line with its arguments apart by zero bytes; the rest is the file.
pub(crate) fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (argv, file) = bytes.split_at(end.unwrap_or(bytes.len()));
    let Ok(argv) = std::str::from_utf8(argv) else {
        return;
    };
    let argv: Vec<String> = argv.split('\0').map(str::to_owned).collect();
    for (place, line) in lines::Lines::new(file.get(1..).unwrap_or_default()).enumerate() {
        let Ok((number, line)) = line else { continue };
        assert_eq!(number, place as u64 + 1);
        assert!(!line.contains('\n'));
        check_line(&argv, &line);
    }
}

fn check_line(argv: &[String], line: &str) {
    let joined = |argument: &String| argument.split("{}").collect::<Vec<_>>().join(line);
    match pattern::fill(argv, line) {
        Ok(filled) => {
            assert!(filled.iter().map(String::len).sum::<usize>() <= ARGUMENT_BYTES);
            assert!(
                filled
                    .iter()
                    .eq(argv.iter().map(joined).collect::<Vec<_>>().iter())
            );
        }
        Err(pattern::TooLong { got }) => assert!(got > ARGUMENT_BYTES),
    }
}
