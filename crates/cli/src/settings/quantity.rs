//! Sizes as people write them. Durations are the wire's [`capataz_api::Span`].

use serde::{Deserialize, Deserializer, de};

/// Units of size; KB and KiB both mean 1,024, since nobody means anything else here.
const SIZES: [(&str, u64); 4] = [
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
];

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as \"256 MiB\" or a number of bytes, got {got:?}")]
pub(crate) struct ParseSizeError {
    got: String,
}

/// Reads `"256 KiB"`, `"4G"` or `"1024"`.
pub(crate) fn parse_size(text: &str) -> Result<Size, ParseSizeError> {
    let wrong = || ParseSizeError {
        got: text.to_owned(),
    };
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let count: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
    let unit = trimmed[digits..].trim().to_lowercase();
    let letter = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit);
    let scale = match letter {
        "" => 1,
        letter => {
            SIZES
                .iter()
                .find(|(name, _)| *name == letter)
                .ok_or_else(wrong)?
                .1
        }
    };
    count.checked_mul(scale).map(Size).ok_or_else(wrong)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(u64),
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        match TextOrNumber::deserialize(from)? {
            TextOrNumber::Text(text) => parse_size(&text).map_err(de::Error::custom),
            TextOrNumber::Number(bytes) => Ok(Size(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(parse_size("256 KiB"), Ok(Size(256 * 1024)));
        assert_eq!(parse_size("4G"), Ok(Size(4 << 30)));
        assert_eq!(parse_size("10mb"), Ok(Size(10 << 20)));
        assert_eq!(parse_size("17"), Ok(Size(17)));
        for wrong in ["", "-1", "x", "1 parsec", "99999999999T"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
        }
    }
}
