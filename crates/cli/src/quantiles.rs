//! Percentiles of a few thousand measured values.

/// Values, all kept: what is measured here is counted in thousands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quantiles {
    values: Vec<f64>,
}

impl Quantiles {
    /// Adds a value.
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Adds all values of another.
    pub(crate) fn join(&mut self, other: Quantiles) {
        self.values.extend(other.values);
    }

    /// How many were added.
    pub(crate) fn count(&self) -> u64 {
        self.values.len() as u64
    }

    /// The value that the fraction `part` of them does not exceed; 0 when there are none.
    pub(crate) fn at(&self, part: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut values = Quantiles::default();
        assert_eq!(values.at(0.5), 0.0);
        (1..=100)
            .rev()
            .for_each(|value| values.add(f64::from(value)));
        assert_eq!(
            [values.at(0.5), values.at(0.9), values.at(0.99)],
            [50.0, 90.0, 99.0]
        );
        assert_eq!(values.at(1.0), 100.0);
        let mut joined = Quantiles::default();
        joined.add(200.0);
        joined.join(values);
        assert_eq!((joined.count(), joined.at(1.0)), (101, 200.0));
    }
}
