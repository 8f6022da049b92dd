//! The ids of millions of tasks in little memory: they mostly follow each other.

/// Ids as runs of numbers.
#[derive(Debug, Default)]
pub(crate) struct IdRuns {
    runs: Vec<std::ops::Range<u64>>,
    count: u64,
}

impl IdRuns {
    /// Adds an id.
    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        match self.runs.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => self.runs.push(number..number + 1),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All of them, at most `size` at a time.
    pub(crate) fn sets(&self, size: usize) -> impl Iterator<Item = Vec<String>> {
        let mut ids = self.runs.iter().cloned().flatten();
        std::iter::from_fn(move || {
            let set: Vec<String> = ids.by_ref().take(size).map(|id| id.to_string()).collect();
            (!set.is_empty()).then_some(set)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_in_their_order() {
        let mut ids = IdRuns::default();
        for id in [5, 6, 7, 3, 4, 9] {
            ids.add(id);
        }
        assert_eq!((ids.runs.len(), ids.count()), (3, 6));
        let sets: Vec<Vec<String>> = ids.sets(4).collect();
        assert_eq!(sets, [vec!["5", "6", "7", "3"], vec!["4", "9"]]);
    }
}
