//! Which task comes after which.
//!
//! 1. Both lists count: a task comes after its `parents`, and before its `children`.
//! 2. Both sides must say the same, unless one kind of list is empty in the whole file: then that
//!    kind says nothing. Files of version 1.4 name each edge on whichever side they like.
//! 3. Only when no task names any other, those that read a file come after those that write it.
//!    Else files are not looked at: the lists are what the recorded system went by.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Relation;
use super::instance::{Instance, Task};
use super::{ImportError, OneSided};
use crate::nearest::nearest;

/// For each task those it comes after, by their place in the file, ascending. There is no circle.
pub(super) fn edges(
    instance: &Instance,
    one_sided: OneSided,
) -> Result<Vec<BTreeSet<usize>>, ImportError> {
    let tasks = &instance.tasks;
    let places = Places::of(instance)?;
    let mut by_child = BTreeSet::new();
    let mut by_parent = BTreeSet::new();
    for (place, task) in tasks.iter().enumerate() {
        for named in &task.parents {
            by_child.insert((places.find(task, Relation::Parent, named)?, place));
        }
        for named in &task.children {
            by_parent.insert((place, places.find(task, Relation::Child, named)?));
        }
    }
    let both_speak = !by_child.is_empty() && !by_parent.is_empty();
    if both_speak && !instance.is_loose && one_sided == OneSided::Refuse {
        check_agreement(tasks, &by_child, &by_parent)?;
    }
    let mut all: BTreeSet<(usize, usize)> = by_child.union(&by_parent).copied().collect();
    if all.is_empty() {
        all = through_files(tasks);
    }
    let mut after = vec![BTreeSet::new(); tasks.len()];
    for (from, to) in all {
        after[to].insert(from);
    }
    check_circles(tasks, &after)?;
    Ok(after)
}

/// What names mean which tasks.
struct Places<'a> {
    by_id: BTreeMap<&'a str, usize>,
    by_name: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Places<'a> {
    fn of(instance: &'a Instance) -> Result<Places<'a>, ImportError> {
        let mut places = Places {
            by_id: BTreeMap::new(),
            by_name: BTreeMap::new(),
        };
        for (place, task) in instance.tasks.iter().enumerate() {
            if places.by_id.insert(&task.id, place).is_some() {
                let id = task.id.clone();
                return Err(ImportError::DuplicateTask { id });
            }
            if instance.is_loose {
                places.by_name.entry(&task.name).or_default().push(place);
            }
        }
        Ok(places)
    }

    fn find(&self, task: &Task, relation: Relation, named: &str) -> Result<usize, ImportError> {
        if let Some(place) = self.by_id.get(named) {
            return Ok(*place);
        }
        let (id, named) = (task.id.clone(), named.to_owned());
        match self.by_name.get(named.as_str()).map(Vec::as_slice) {
            Some([place]) => Ok(*place),
            Some(places) => Err(ImportError::Ambiguous {
                id,
                relation,
                named,
                count: places.len(),
            }),
            None => {
                let known = self.by_id.keys().chain(self.by_name.keys());
                let nearest = nearest(&named, known.copied()).map(str::to_owned);
                Err(ImportError::UnknownTask {
                    id,
                    relation,
                    named,
                    nearest,
                })
            }
        }
    }
}

/// An edge that one side names and the other does not is a contradiction.
fn check_agreement(
    tasks: &[Task],
    by_child: &BTreeSet<(usize, usize)>,
    by_parent: &BTreeSet<(usize, usize)>,
) -> Result<(), ImportError> {
    let refusal = |id: usize, relation, named: usize| ImportError::OneSided {
        id: tasks[id].id.clone(),
        relation,
        named: tasks[named].id.clone(),
    };
    if let Some((from, to)) = by_child.difference(by_parent).next() {
        return Err(refusal(*to, Relation::Parent, *from));
    }
    match by_parent.difference(by_child).next() {
        Some((from, to)) => Err(refusal(*from, Relation::Child, *to)),
        None => Ok(()),
    }
}

/// Whoever reads a file comes after all who write it, but for itself.
fn through_files(tasks: &[Task]) -> BTreeSet<(usize, usize)> {
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, task) in tasks.iter().enumerate() {
        for file in &task.writes {
            writers.entry(file).or_default().push(place);
        }
    }
    let mut edges = BTreeSet::new();
    for (place, task) in tasks.iter().enumerate() {
        for file in &task.reads {
            let writers = writers.get(file.as_str()).into_iter().flatten();
            let others = writers.filter(|writer| **writer != place);
            edges.extend(others.map(|writer| (*writer, place)));
        }
    }
    edges
}

fn check_circles(tasks: &[Task], after: &[BTreeSet<usize>]) -> Result<(), ImportError> {
    let Err(stuck) = order(after) else {
        return Ok(());
    };
    // Each that is stuck comes after one that is stuck: following these leads into a circle.
    let stuck: BTreeSet<usize> = stuck.into_iter().collect();
    let mut path = Vec::new();
    let mut next = stuck.first().copied();
    while let Some(place) = next {
        if let Some(begin) = path.iter().position(|seen| *seen == place) {
            path.drain(..begin);
            path.push(place);
            break;
        }
        path.push(place);
        next = after[place]
            .iter()
            .copied()
            .find(|from| stuck.contains(from));
    }
    path.reverse();
    let path = path.into_iter().map(|place| tasks[place].id.clone());
    Err(ImportError::Cycle {
        path: path.collect(),
    })
}

/// All places, each after those it comes after; or those that are in a circle or after one.
pub(super) fn order(after: &[BTreeSet<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut children = vec![Vec::new(); after.len()];
    let mut open: Vec<usize> = after.iter().map(BTreeSet::len).collect();
    for (place, before) in after.iter().enumerate() {
        for from in before {
            children[*from].push(place);
        }
    }
    let mut order: Vec<usize> = (0..after.len()).filter(|place| open[*place] == 0).collect();
    let mut next = 0;
    while let Some(place) = order.get(next) {
        for child in &children[*place] {
            open[*child] -= 1;
            if open[*child] == 0 {
                order.push(*child);
            }
        }
        next += 1;
    }
    match order.len() == after.len() {
        true => Ok(order),
        false => Err((0..after.len()).filter(|place| open[*place] > 0).collect()),
    }
}
