//! Lists that take hardly more memory than what is in them: there are very many of them, and half
//! of their places empty, as a list that doubles has after it grew, would be half of their memory.

/// Room for one more: a full list grows by `step` places.
pub(super) fn make_room<T>(list: &mut Vec<T>, step: usize) {
    if list.len() == list.capacity() {
        list.reserve_exact(step);
    }
}

/// Returns what is not needed. A list that shrinks and grows by turns is not moved every time.
pub(super) fn return_room<T>(list: &mut Vec<T>, step: usize) {
    if list.is_empty() || list.capacity() - list.len() > 2 * step {
        list.shrink_to_fit();
    }
}
