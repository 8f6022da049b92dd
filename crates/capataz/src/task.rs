//! What is submitted.

use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto;
use serde::Serialize;

use crate::payload;

/// A task to submit. Everything but its group has a default; limits are checked when it is
/// submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    spec: proto::TaskSpec,
}

impl Task {
    /// A task for the workers of a group.
    pub fn new(group: impl Into<String>) -> Task {
        let group = group.into();
        Task {
            spec: proto::TaskSpec {
                group,
                ..proto::TaskSpec::default()
            },
        }
    }

    /// Its payload: a text as its bytes, any other value as compact JSON. 256 KiB by default.
    ///
    /// # Errors
    ///
    /// What the value's own serialization says.
    pub fn json(self, payload: &impl Serialize) -> Result<Task, serde_json::Error> {
        Ok(self.bytes(payload::encode(payload)?.unwrap_or_default()))
    }

    /// Its payload, as it is.
    pub fn bytes(mut self, payload: impl Into<Bytes>) -> Task {
        self.spec.payload = Some(payload.into());
        self
    }

    /// A program and its arguments, for workers that run processes. No shell sees them.
    pub fn argv(mut self, argv: impl IntoIterator<Item = impl Into<String>>) -> Task {
        self.spec.argv = argv.into_iter().map(Into::into).collect();
        self
    }

    /// 1 to 9, 9 most urgent; 5 unless set.
    pub fn priority(mut self, priority: u32) -> Task {
        self.spec.priority = Some(priority);
        self
    }

    /// Adds a label to find it by.
    pub fn tag(mut self, tag: impl Into<String>) -> Task {
        self.spec.tags.push(tag.into());
        self
    }

    /// Anything to keep with it, as JSON of up to 16 KiB.
    ///
    /// # Errors
    ///
    /// What the value's own serialization says.
    pub fn meta(mut self, meta: &impl Serialize) -> Result<Task, serde_json::Error> {
        self.spec.meta = serde_json::to_string(meta)?;
        Ok(self)
    }

    /// Submitting it again with the same key and content gives the same id, while it lives and an
    /// hour after.
    pub fn dedup_key(mut self, key: impl Into<String>) -> Task {
        self.spec.dedup_key = Some(key.into());
        self
    }

    /// Attempts that may fail before the task does; 1 unless set.
    pub fn max_attempts(mut self, attempts: u32) -> Task {
        self.spec.max_attempts = Some(attempts);
        self
    }

    /// How long one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> Task {
        self.spec.timeout_us = Some(micros(timeout));
        self
    }

    /// How long to wait before it is queued.
    pub fn delay(mut self, delay: Duration) -> Task {
        self.spec.delay_us = Some(micros(delay));
        self
    }

    /// It fails when it has not started after this time.
    pub fn expires_in(mut self, span: Duration) -> Task {
        self.spec.expires_in_us = Some(micros(span));
        self
    }

    /// Adds a key; workers that announce it are preferred.
    pub fn affinity(mut self, key: impl Into<String>) -> Task {
        self.spec.affinity.push(key.into());
        self
    }

    /// Makes it an array of so many elements, which see their index.
    pub fn count(mut self, count: u32) -> Task {
        self.spec.count = Some(count);
        self
    }

    /// What is sent: for settings that have no method here.
    pub fn spec_mut(&mut self) -> &mut proto::TaskSpec {
        &mut self.spec
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl From<Task> for proto::TaskSpec {
    fn from(task: Task) -> proto::TaskSpec {
        task.spec
    }
}
