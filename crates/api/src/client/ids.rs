//! Ids of accepted tasks, which mostly come in long runs.

/// Task ids in the order of a submission.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// First id and how many follow it, itself included.
    runs: Vec<(u64, u64)>,
}

impl Ids {
    /// Adds `count` ids from `first` on.
    pub(super) fn push_run(&mut self, first: u64, count: u64) {
        match self.runs.last_mut() {
            _ if count == 0 => {}
            Some((start, length)) if *start + *length == first => *length += count,
            _ => self.runs.push((first, count)),
        }
    }

    /// Adds the ids of another submission.
    pub(super) fn extend(&mut self, other: &Ids) {
        for (first, count) in &other.runs {
            self.push_run(*first, *count);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let count: u64 = self.runs.iter().map(|(_, count)| count).sum();
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The ids as they are shown.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.numbers().map(|id| id.to_string())
    }

    /// The ids as numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs
            .iter()
            .flat_map(|(first, count)| *first..first + count)
    }

    /// The ids of the tasks from `start` to before `start + count`.
    pub(super) fn slice(&self, start: usize, count: usize) -> Ids {
        let mut ids = Ids::default();
        let (mut skip, mut take) = (start as u64, count as u64);
        for (first, length) in &self.runs {
            let skipped = skip.min(*length);
            skip -= skipped;
            let taken = take.min(length - skipped);
            ids.push_run(first + skipped, taken);
            take -= taken;
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_and_slices_are_what_they_seem() {
        let mut ids = Ids::default();
        ids.push_run(5, 3);
        ids.push_run(8, 2);
        ids.push_run(1, 1);
        let all: Vec<u64> = ids.numbers().collect();
        assert_eq!(all, [5, 6, 7, 8, 9, 1]);
        assert_eq!((ids.len(), ids.runs.len()), (6, 2));
        for start in 0..=all.len() {
            for count in 0..=all.len() - start {
                let slice: Vec<u64> = ids.slice(start, count).numbers().collect();
                assert_eq!(slice, all[start..start + count]);
            }
        }
    }
}
