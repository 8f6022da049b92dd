//! Policies, each kept once however many tasks have it.

use std::collections::BTreeMap;

use crate::policy::Policy;

/// Policies in use, with the number of their users.
#[derive(Default)]
pub(crate) struct PolicyTable {
    numbers: BTreeMap<Policy, u32>,
    entries: Vec<(Policy, u64)>,
    free: Vec<u32>,
}

impl PolicyTable {
    /// The number of a policy, with one user more.
    pub(crate) fn acquire(&mut self, policy: &Policy) -> u32 {
        if let Some(number) = self.numbers.get(policy) {
            self.entries[*number as usize].1 += 1;
            return *number;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = (*policy, 1);
                number
            }
            None => {
                self.entries.push((*policy, 1));
                self.entries.len() as u32 - 1
            }
        };
        self.numbers.insert(*policy, number);
        number
    }

    pub(crate) fn release(&mut self, number: u32) {
        let Some((policy, users)) = self.entries.get_mut(number as usize) else {
            return;
        };
        *users = users.saturating_sub(1);
        if *users == 0 {
            self.numbers.remove(policy);
            self.free.push(number);
        }
    }

    pub(crate) fn get(&self, number: u32) -> Policy {
        self.entries
            .get(number as usize)
            .map_or_else(Policy::default, |(policy, _)| *policy)
    }
}
