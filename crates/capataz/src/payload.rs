//! How values become payloads and outputs, and back.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A text as its bytes, nothing as nothing, any other value as compact JSON.
pub(crate) fn encode(value: &impl Serialize) -> Result<Option<Bytes>, serde_json::Error> {
    Ok(match serde_json::to_value(value)? {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        value => Some(serde_json::to_vec(&value)?.into()),
    })
}

/// Reads what [`encode`] made. What is no JSON of the wanted form is tried as a text.
pub(crate) fn decode<T: DeserializeOwned>(payload: &Bytes) -> Result<T, serde_json::Error> {
    if payload.is_empty()
        && let Ok(nothing) = T::deserialize(Value::Null)
    {
        return Ok(nothing);
    }
    serde_json::from_slice(payload).or_else(|error| {
        let text = std::str::from_utf8(payload).map(|text| Value::String(text.to_owned()));
        text.ok()
            .and_then(|text| T::deserialize(text).ok())
            .ok_or(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        fn through<T: Serialize + DeserializeOwned>(value: &T) -> T {
            let bytes = encode(value).expect("it is JSON").unwrap_or_default();
            decode(&bytes).expect("it was encoded")
        }
        assert_eq!(through(&"12".to_owned()), "12");
        assert_eq!(through(&String::new()), "");
        assert_eq!(through(&vec![1, 2]), [1, 2]);
        assert_eq!(through(&None::<u8>), None);
        through(&());
        assert!(decode::<u32>(&Bytes::from_static(b"many")).is_err());
    }
}
