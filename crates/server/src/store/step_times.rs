//! How long steps have taken lately, by the names of workflow and step: what orders the steps of
//! the runs to come.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension};

use super::reader::{ReadError, Reader};

/// Times that are kept of each step: an odd number, so that the median is one of them, and few, so
/// that what has changed is learned soon.
const KEPT: usize = 9;

impl Reader {
    /// What the steps of a workflow are expected to take, in milliseconds, in the order of
    /// `names`: the median of the last nine times; 0 for one that never succeeded.
    pub fn expected(&self, workflow: &str, names: &[&str]) -> Result<Vec<u32>, ReadError> {
        let connection = self.connection()?;
        let sql = "SELECT step, times FROM step_time WHERE workflow = ?";
        let mut statement = connection.prepare_cached(sql)?;
        // One walk over all of them costs less than a search for each.
        let known = statement.query_map([workflow], |row| {
            let times = median(numbers(row.get_ref(1)?.as_blob()?));
            Ok((row.get::<_, String>(0)?, times))
        })?;
        let known: HashMap<String, u32> = known.collect::<rusqlite::Result<_>>()?;
        let expected = names.iter().map(|name| known.get(*name).copied());
        Ok(expected.map(Option::unwrap_or_default).collect())
    }
}

/// Adds times to those that are kept, the last of them at the end.
pub(super) fn add(
    connection: &Connection,
    times: &BTreeMap<&(String, String), Vec<u32>>,
) -> rusqlite::Result<()> {
    let select = "SELECT times FROM step_time WHERE workflow = ? AND step = ?";
    let mut select = connection.prepare_cached(select)?;
    let insert = "INSERT OR REPLACE INTO step_time (workflow, step, times) VALUES (?, ?, ?)";
    let mut insert = connection.prepare_cached(insert)?;
    for ((workflow, step), new) in times {
        let known = select.query_row((workflow, step), |row| row.get::<_, Vec<u8>>(0));
        let mut all = numbers(&known.optional()?.unwrap_or_default());
        all.extend(new);
        let from = all.len().saturating_sub(KEPT);
        let bytes: Vec<u8> = all[from..]
            .iter()
            .flat_map(|time| time.to_le_bytes())
            .collect();
        insert.execute((workflow, step, bytes))?;
    }
    Ok(())
}

/// Forgets the times of a workflow that is gone.
pub(super) fn forget(connection: &Connection, workflow: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM step_time WHERE workflow = ?";
    connection.prepare_cached(sql)?.execute([workflow])?;
    Ok(())
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|four| u32::from_le_bytes(*four))
        .collect()
}

fn median(mut times: Vec<u32>) -> u32 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_time_in_the_middle() {
        assert_eq!(median(vec![]), 0);
        assert_eq!(median(vec![7]), 7);
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![4, 1, 3, 2]), 3);
    }
}
