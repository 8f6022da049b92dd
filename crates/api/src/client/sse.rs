//! Server-sent events out of bytes that come in any pieces.

use bytes::Bytes;

/// An event, or a new cursor without one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Frame {
    /// The `id:` it came with.
    pub(super) id: Option<String>,
    /// The `event:` it came with; empty for a plain message.
    pub(super) name: String,
    /// Its `data:` lines, joined.
    pub(super) data: String,
}

/// What has come so far and is no whole frame yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
}

impl Parser {
    /// Takes a piece in and hands out the frames that it completes.
    pub(super) fn push(&mut self, bytes: &Bytes, frames: &mut Vec<Frame>) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.last() != Some(&b'\n') {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                self.finish(frames);
            } else {
                self.field(line);
            }
        }
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.frame.name),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            // Comments keep the connection awake; other fields mean nothing here.
            _ => {}
        }
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) {
        let frame = std::mem::take(&mut self.frame);
        self.has_data = false;
        if frame != Frame::default() {
            frames.push(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut() {
        let text =
            ": hi\n\nid: 7\n\nid: 8\r\nevent: end\r\ndata: a\r\ndata:b \u{e9}\r\n\r\ndata: half";
        let frame = |id: Option<&str>, name: &str, data: &str| Frame {
            id: id.map(str::to_owned),
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            frame(Some("7"), "", ""),
            frame(Some("8"), "end", "a\nb \u{e9}"),
        ];
        for size in 1..=text.len() {
            let (mut parser, mut frames) = (Parser::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                parser.push(&Bytes::copy_from_slice(piece), &mut frames);
            }
            assert_eq!(frames, expected, "in pieces of {size}");
        }
    }
}
