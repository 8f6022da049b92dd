//! The two things of a task's body that the store looks for: its tags and its dedup key.
//!
//! Bodies are encoded `TaskSpec` messages. This walks over their fields without decoding them, as
//! it is done for every task that is submitted; a test holds it against the generated decoder.

/// Field numbers of `TaskSpec`.
const TAGS: u64 = 5;
const DEDUP_KEY: u64 = 7;

/// What lists show and look for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Labels {
    pub(super) tags: Vec<String>,
    pub(super) dedup_key: Option<String>,
}

impl Labels {
    /// The labels of an encoded `TaskSpec`. A body that is none (the server lets no such body
    /// through) has those that come before its first flaw.
    pub(super) fn of(body: &[u8]) -> Labels {
        let mut labels = Labels::default();
        let mut rest = body;
        while let Some((field, value)) = next_field(&mut rest) {
            match field {
                TAGS => labels.tags.push(text(value)),
                DEDUP_KEY => labels.dedup_key = Some(text(value)),
                _ => {}
            }
        }
        // A tag given twice is one tag.
        labels.tags.sort_unstable();
        labels.tags.dedup();
        labels
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// The number of the next field and its bytes, empty for those that are not length-delimited.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let tag = varint(rest)?;
    let len = match tag & 7 {
        0 => return varint(rest).map(|_| (tag >> 3, &[][..])),
        1 => 8,
        2 => usize::try_from(varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (value, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some((tag >> 3, if tag & 7 == 2 { value } else { &[] }))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use capataz_api::proto::{TaskSpec, Variable};
    use prost::Message;

    #[test]
    fn labels_are_those_that_the_decoder_sees() {
        let spec = TaskSpec {
            group: "g".into(),
            priority: Some(300),
            argv: vec!["a".into(), String::new()],
            payload: Some(vec![0xff; 300].into()),
            tags: vec!["b".into(), "a".into(), "b".into()],
            dedup_key: Some("ключ".into()),
            timeout_us: Some(u64::MAX),
            env: vec![Variable {
                name: "tags".into(),
                value: "x".into(),
            }],
            ..TaskSpec::default()
        };
        let body = spec.encode_to_vec();
        let labels = Labels::of(&body);
        assert_eq!(labels.tags, ["a", "b"]);
        assert_eq!(labels.dedup_key, spec.dedup_key);
        for cut in 0..body.len() {
            Labels::of(&body[..cut]);
        }
    }
}
