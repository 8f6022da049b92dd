//! Reads a file line by line, never holding more than one line of it.

use std::io::{self, BufRead, Read};

use capataz_api::limits::REQUEST_BYTES;

/// The longest line: no task longer than a request can be submitted.
const LINE_BYTES: usize = REQUEST_BYTES;

/// Why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("line {line} cannot be read: {cause}")]
    Unreadable { line: u64, cause: io::Error },
    #[error("line {line} is not UTF-8, at its byte {offset}")]
    NotUtf8 { line: u64, offset: usize },
    #[error("line {line} is longer than {LINE_BYTES} bytes")]
    TooLong { line: u64 },
}

/// Lines of a reader with their numbers, from 1, without their ends.
pub(crate) struct Lines<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines { reader, line: 0 }
    }

    fn read(&mut self) -> Result<Option<String>, LineError> {
        let line = self.line;
        let mut bytes = Vec::new();
        // One byte more than allowed and the line feed, to tell a line of that length from a
        // longer one.
        let mut bounded = (&mut self.reader).take(LINE_BYTES as u64 + 2);
        let read = bounded.read_until(b'\n', &mut bytes);
        if read.map_err(|cause| LineError::Unreadable { line, cause })? == 0 {
            return Ok(None);
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        if bytes.len() > LINE_BYTES {
            return Err(LineError::TooLong { line });
        }
        String::from_utf8(bytes).map(Some).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            LineError::NotUtf8 { line, offset }
        })
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(u64, String), LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        let line = self.line;
        self.read()
            .map(|text| text.map(|text| (line, text)))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        let show = |line: Result<(u64, String), LineError>| match line {
            Ok((number, text)) => format!("{number}:{text}"),
            Err(error) => error.to_string(),
        };
        Lines::new(bytes).map(show).take(5).collect()
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        assert_eq!(all(b"a\n b \r\n\nlast"), ["1:a", "2: b ", "3:", "4:last"]);
        assert_eq!(all(b""), Vec::<String>::new());
        assert_eq!(all(b"one\n"), ["1:one"]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_refused_with_its_number() {
        assert_eq!(all(b"ok\nx\xff\n")[1], "line 2 is not UTF-8, at its byte 1");
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let mut endless = Lines::new(io::BufReader::new(io::repeat(b'x')));
        assert!(matches!(
            endless.next(),
            Some(Err(LineError::TooLong { line: 1 }))
        ));
        let longest = [vec![b'x'; LINE_BYTES], b"\r\n".to_vec()].concat();
        assert_eq!(Lines::new(&longest[..]).filter_map(Result::ok).count(), 1);
    }
}
