//! A row of the store: what can be read can be counted, and is written as it was read.

use std::borrow::Cow;

use capataz_server::store::Columns;

pub(crate) fn check(bytes: &[u8]) {
    let Some(columns) = read(bytes) else { return };
    let Some(row) = columns.row() else { return };
    row.counts();
    assert_eq!(Columns::of(&row).row(), Some(row.clone()));
}

/// Each number: 0 for none, 1 and a byte, or 2 and eight bytes. Each text: 0 for none, or its
/// length plus one, and its bytes.
fn read(mut rest: &[u8]) -> Option<Columns<'_>> {
    let mut columns = Columns::default();
    for number in &mut columns.numbers {
        *number = match take(&mut rest, 1)? {
            [1] => Some(take(&mut rest, 1)?[0].into()),
            [2] => Some(i64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?)),
            _ => None,
        };
    }
    columns.dedup_key = text(&mut rest)?;
    columns.tags = text(&mut rest)?;
    columns.note = text(&mut rest)?;
    columns.array = blob(&mut rest)?.map(Cow::from);
    columns.result = blob(&mut rest)?.map(Cow::from);
    Some(columns)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn blob<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match take(rest, 1)?[0] {
        0 => Some(None),
        more => take(rest, usize::from(more) - 1).map(Some),
    }
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<Option<Cow<'a, str>>> {
    match blob(rest)? {
        None => Some(None),
        Some(bytes) => Some(Some(std::str::from_utf8(bytes).ok()?.into())),
    }
}
