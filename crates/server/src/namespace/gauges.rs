//! Figures that threads leave for whoever asks: no promise hangs on them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Figures of one namespace.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Bytes of records that the store does not have yet.
    pub lag_bytes: AtomicU64,
    /// Syncs of the journal since it was opened.
    pub journal_syncs: AtomicU64,
    /// Records appended since start.
    pub records: AtomicU64,
    /// Bytes appended since start.
    pub record_bytes: AtomicU64,
    /// The journal's tail.
    pub journal_position: AtomicU64,
    /// The store's position.
    pub store_position: AtomicU64,
    /// When the oldest record that the store does not have was made, microseconds since 1970;
    /// 0 when it has all.
    pub oldest_unprojected: AtomicU64,
    /// Bytes that store and logs take on disk.
    pub disk_bytes: AtomicU64,
    /// Bytes that they may take before new tasks are refused.
    pub disk_quota: AtomicU64,
    /// Bytes of the journal's files; 0 for one in memory.
    pub journal_bytes: AtomicU64,
    /// Bytes free on that disk.
    pub disk_free: AtomicU64,
    /// The journal has no room for its next segment.
    pub journal_full: AtomicBool,
    /// The store is over its quota or its disk is nearly full.
    pub store_full: AtomicBool,
    /// Set when the namespace has stopped for good.
    pub stopped: AtomicBool,
}

impl Gauges {
    /// Reads a figure.
    pub fn get(figure: &AtomicU64) -> u64 {
        figure.load(Ordering::Relaxed)
    }

    /// Leaves a figure.
    pub fn set(figure: &AtomicU64, value: u64) {
        figure.store(value, Ordering::Relaxed);
    }
}
