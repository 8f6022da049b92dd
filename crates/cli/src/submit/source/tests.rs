//! Where the specs of a submission come from.

use super::*;

fn flags(group: &str, tags: &[&str]) -> TaskFlags {
    let mut flags = TaskFlags::default();
    flags.group = Some(group.to_owned()).filter(|group| !group.is_empty());
    flags.tags = tags.iter().map(ToString::to_string).collect();
    flags
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Specs of a file with `text`, and the sentence of the first error with the file's name as `F`.
fn read(text: &[u8], make: impl FnOnce(Input) -> Source) -> Result<Vec<TaskSpec>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("F");
    std::fs::write(&path, text).unwrap();
    let source = make(Input::File(path));
    let prefix = format!("{}/", folder.path().display());
    let shorten = |error: SubmitError| error.to_string().replace(&prefix, "");
    let specs: Result<Vec<_>, _> = source.specs().map_err(shorten)?.collect();
    let specs = specs.map_err(shorten);
    let checked = source.check().map_err(shorten);
    assert_eq!(
        checked,
        specs.clone().map(|specs| Some(specs.len() as u64)),
        "check agrees"
    );
    specs
}

#[test]
fn each_line_becomes_a_task() {
    let specs = read(b"a b\nc\n", |input| {
        Source::each_line(&flags("g", &["t"]), words(&["sha256sum", "{}"]), input).unwrap()
    });
    let specs = specs.unwrap();
    assert_eq!(specs[0].argv, ["sha256sum", "a b"]);
    assert_eq!(specs[1].argv, ["sha256sum", "c"]);
    assert_eq!(
        (specs[1].group.as_str(), &specs[1].tags[..]),
        ("g", &["t".to_owned()][..])
    );
}

#[test]
fn a_bad_line_is_named() {
    let make = |input| Source::each_line(&flags("g", &[]), words(&["x", "{}"]), input).unwrap();
    let not_utf8 = read(b"ok\n\xff\n", make).unwrap_err();
    assert_eq!(not_utf8, "F: line 2 is not UTF-8, at its byte 0");
    let zero = read(b"ok\na\0b\n", make).unwrap_err();
    assert!(zero.starts_with("F, line 2: argv[1]"), "{zero}");
}

#[test]
fn json_lines_name_line_and_field() {
    let make = |input| Source::json_lines(&flags("", &[]), input);
    let specs = read(
        b"{\"group\":\"g\",\"argv\":[\"x\"]}\n\n{\"group\":\"h\"}\n",
        make,
    )
    .unwrap();
    assert_eq!((specs[0].argv.len(), specs[1].group.as_str()), (1, "h"));
    let wrong = read(
        b"{\"group\":\"g\"}\n\n{\"group\":\"g\",\"priority\":12}\n",
        make,
    )
    .unwrap_err();
    assert!(wrong.starts_with("F, line 3: priority"), "{wrong}");
    let twice = read(b"{\"group\":\"g\",\"group\":\"h\"}\n", make).unwrap_err();
    assert!(twice.starts_with("F, line 1: "), "{twice}");
}

#[test]
fn flags_stand_in_for_what_a_json_line_leaves_out() {
    let make = |input| Source::json_lines(&flags("g", &["job", "b"]), input);
    let specs = read(b"{}\n{\"group\":\"own\",\"tags\":[\"b\"]}\n", make).unwrap();
    assert_eq!(
        (specs[0].group.as_str(), &specs[0].tags[..]),
        ("g", &words(&["job", "b"])[..])
    );
    assert_eq!(
        (specs[1].group.as_str(), &specs[1].tags[..]),
        ("own", &words(&["b", "job"])[..])
    );
    let twice = read(b"{\"argv\":[\"a\"],\"argv\":[\"b\"]}\n", make).unwrap_err();
    assert!(twice.contains("twice"), "{twice}");
}

#[test]
fn a_payload_file_is_taken_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payload");
    std::fs::write(&path, b"\xff\x00").unwrap();
    let mut flags = flags("g", &[]);
    flags.payload_file = Some(path.clone());
    let Ok(Source::One(spec)) = Source::one(&flags, vec![]) else {
        panic!("one task")
    };
    assert_eq!(spec.payload.as_deref(), Some(&b"\xff\x00"[..]));
    std::fs::write(&path, vec![0; PAYLOAD_BYTES_MAX + 1]).unwrap();
    assert!(matches!(
        Source::one(&flags, vec![]),
        Err(SubmitError::PayloadTooLarge { .. })
    ));
}

#[test]
fn stdin_is_written_as_a_dash() {
    assert_eq!(Input::from(PathBuf::from("-")), Input::Stdin);
    assert_eq!(
        Input::from(PathBuf::from("./-")),
        Input::File(PathBuf::from("./-"))
    );
}
