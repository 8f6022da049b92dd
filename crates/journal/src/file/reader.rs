//! Reading durable records while the writer goes on.
//!
//! Every record is checked again when it is read: its checksums, its place, and the chain.

use std::sync::Arc;
use std::time::Duration;

use crate::file::flaw::Flaw;
use crate::file::record::{HEADER_BYTES, Link, framed_bytes};
use crate::file::scan::Scanner;
use crate::file::segment::RECORDS_AT;
use crate::file::shared::{Place, Shared};
use crate::{Entry, JournalReader, MAX_RECORD_BYTES, Position, ReadError};

/// The least that is read at once, in bytes: what one random read costs anyway.
const MIN_CHUNK_BYTES: usize = 64 << 10;

/// Where the last read ended, so that the next one goes on without a search.
#[derive(Clone, Copy)]
pub(crate) struct Cursor {
    position: Position,
    segment: Position,
    offset: u64,
    link: Link,
}

/// Reads from `from` on within one segment; see [`crate::Journal::read`].
pub(crate) fn read(
    shared: &Shared,
    cursor: &mut Option<Cursor>,
    from: Position,
    max_bytes: usize,
) -> Result<Vec<Entry>, ReadError> {
    let Some(place) = shared.locate(from)? else {
        return Ok(Vec::new());
    };
    let chunk = max_bytes.clamp(MIN_CHUNK_BYTES, MAX_RECORD_BYTES);
    let file = Arc::clone(&place.file);
    let mut scanner = Scanner::new(file, place.seed, place.end, chunk);
    let (mut position, mut offset, mut link) = match *cursor {
        Some(last) if last.position == from && last.segment == place.segment => {
            (from, last.offset, Some(last.link))
        }
        Some(last) if last.position == from && place.segment == from => {
            (from, RECORDS_AT, Some(last.link))
        }
        _ => (place.mark.position, place.mark.offset, None),
    };
    let mut entries = Vec::new();
    let mut bytes = 0;
    while position < place.next {
        // What reaches beyond the chunk is left to the next call: fetching it now would read far
        // more than the caller asked for.
        if !entries.is_empty() && !scanner.has_fetched(offset, HEADER_BYTES) {
            break;
        }
        let (header, next_link) = checked(&place, position, offset, scanner.header(offset))?;
        let flaw = if header.position != position {
            let (expected, found) = (position, header.position);
            Some(Flaw::Position { expected, found })
        } else {
            link.filter(|link| *link != header.previous)
                .map(|_| Flaw::Chain)
        };
        if let Some(flaw) = flaw {
            return checked(&place, position, offset, Ok(Err(flaw)));
        }
        if position >= from {
            let length = header.length as usize;
            bytes += length.max(1);
            let fits = bytes <= max_bytes && scanner.has_fetched(offset, HEADER_BYTES + length);
            if !fits && !entries.is_empty() {
                break;
            }
            let payload = checked(&place, position, offset, scanner.payload(offset, &header))?;
            entries.push(Entry {
                position,
                epoch: header.writer.epoch,
                writer_id: header.writer.id,
                payload,
            });
        }
        link = Some(next_link);
        position = position.advance(1);
        offset += framed_bytes(header.length as usize) as u64;
    }
    *cursor = link.map(|link| Cursor {
        position,
        segment: place.segment,
        offset,
        link,
    });
    Ok(entries)
}

/// Says where it was that the disk failed or a record is damaged.
fn checked<T>(
    place: &Place,
    position: Position,
    offset: u64,
    found: std::io::Result<Result<T, Flaw>>,
) -> Result<T, ReadError> {
    let file = || place.name.clone();
    match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(flaw)) => Err(ReadError::Damaged {
            position,
            file: file(),
            offset,
            flaw,
        }),
        Err(source) => Err(ReadError::Io {
            file: file(),
            source,
        }),
    }
}

/// An independent reading handle on a file journal.
pub(crate) struct FileReader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cursor: Option<Cursor>,
}

impl JournalReader for FileReader {
    fn read(&mut self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        read(&self.shared, &mut self.cursor, from, max_bytes)
    }

    fn follow(&mut self, from: Position, timeout: Duration) -> Result<Position, ReadError> {
        self.shared.follow(from, timeout)
    }
}
