//! The marks of a time axis.

use crate::duration;

/// Columns between two marks at the least: the longest label and a blank on both sides.
const COLUMNS_APART: u64 = 10;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Distances that a person counts in, in microseconds.
const NICE: [u64; 28] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
];

/// The time that is drawn, over so many columns.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    /// Microseconds since 1970.
    pub(crate) from: u64,
    /// Microseconds; at least one.
    pub(crate) length: u64,
    /// At least one.
    pub(crate) columns: usize,
}

impl Axis {
    /// The column of a moment; what lies outside is at an end.
    pub(crate) fn column(&self, at: u64) -> usize {
        let offset = u128::from(at.saturating_sub(self.from).min(self.length));
        let column = offset * self.columns as u128 / u128::from(self.length);
        // The quotient is at most the number of columns.
        (column as usize).min(self.columns - 1)
    }

    /// The marks with their labels in one line: each label begins below its mark.
    pub(crate) fn labels(&self, mark: char) -> String {
        let apart = self.apart();
        let mut line = String::new();
        let mut taken = 0;
        for number in 0..=self.length / apart {
            let column = self.column(self.from + number * apart);
            let label = format!("{mark}{}", duration::round(number * apart));
            if column < taken || column + label.chars().count() > self.columns {
                continue;
            }
            line.push_str(&" ".repeat(column - taken));
            line.push_str(&label);
            taken = column + label.chars().count() + 1;
            line.push(' ');
        }
        line
    }

    /// The distance between two marks, in microseconds.
    fn apart(&self) -> u64 {
        let columns = self.columns as u64;
        let fits = |apart: &u64| {
            u128::from(*apart) * u128::from(columns)
                >= u128::from(self.length) * u128::from(COLUMNS_APART)
        };
        let nice = NICE.into_iter().find(fits);
        // Beyond the table: whole days, as many as are needed.
        nice.unwrap_or_else(|| {
            (self.length / DAY * COLUMNS_APART / columns + 1).saturating_mul(DAY)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(length: u64, columns: usize) -> String {
        let axis = Axis {
            from: 7,
            length,
            columns,
        };
        axis.labels('|').trim_end().to_owned()
    }

    #[test]
    fn marks_stand_at_round_times() {
        assert_eq!(labels(30 * SECOND, 40), "|0s          |10s         |20s");
        assert_eq!(labels(90 * MINUTE, 35), "|0s        |30m        |1h");
        assert_eq!(labels(1, 3), "|0s");
    }

    #[test]
    fn the_longest_times_have_few_marks() {
        let marks = labels(u64::MAX / 2, 60);
        assert!(marks.matches('|').count() <= 7, "{marks}");
    }
}
