//! What tasks write down themselves, in one file that all of them append to.
//!
//! A line says `begin` or `end` and whose it is. A short append is one write, so the order of the
//! lines is an order in which things happened: two begins without an end between them were two
//! processes at once.

use std::collections::BTreeSet;

/// A script that writes down its begin and its end in `log`, with `pause` seconds between.
pub fn begins_and_ends(log: &str, pause: &str) -> String {
    let who = "$CAPATAZ_TASK_ID/$CAPATAZ_ATTEMPT";
    format!("echo begin {who} >>{log}; sleep {pause}; echo end {who} >>{log}")
}

/// The most processes that were between begin and end at once, and how many began.
#[track_caller]
pub fn most_at_once(log: &str) -> (usize, usize) {
    let mut inside = BTreeSet::new();
    let (mut most, mut begun) = (0, 0);
    for line in log.lines() {
        match line.split_once(' ') {
            Some(("begin", who)) => {
                assert!(inside.insert(who), "{who} began twice");
                begun += 1;
                most = most.max(inside.len());
            }
            Some(("end", who)) => assert!(inside.remove(who), "{who} ended without a begin"),
            _ => panic!("no line of a witness: {line:?}"),
        }
    }
    (most, begun)
}
