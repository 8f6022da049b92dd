//! Carries out commands on a state and checks, event by event, what must hold for every state:
//! deciding twice says the same, applying is deterministic, a replay of all events is the live
//! state, and so is what the store was given plus the events since.

use std::collections::BTreeMap;

use bytes::Bytes;
use capataz_engine::{
    Answer, Command, Decision, Due, Effect, EntryKey, Event, Rejection, RunId, State, Timestamp,
    apply, decide, effects,
};

/// A state under observation.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) state: State,
    /// Fed with the same events and nothing else.
    replayed: State,
    /// Restored from the store at the last check, fed with the events since.
    restored: State,
    /// What the store would hold.
    store: BTreeMap<EntryKey, Vec<u8>>,
}

/// What a command brought about.
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) answer: Answer,
}

impl Witness {
    pub(crate) fn carry_out(
        &mut self,
        now: Timestamp,
        command: Command,
    ) -> Result<Outcome, Rejection> {
        let again = decide(&self.state, now, command.clone());
        let decision = decide(&self.state, now, command);
        assert_eq!(decision, again, "deciding twice must say the same");
        let Decision { events, answer } = decision?;
        let mut asked = Vec::new();
        for event in &events {
            self.apply(event);
            asked.extend(effects(&self.state, event));
        }
        Ok(Outcome {
            events,
            effects: asked,
            answer,
        })
    }

    fn apply(&mut self, event: &Event) {
        apply(&mut self.state, event);
        let bytes = postcard::to_stdvec(event).expect("an event can always be written");
        let read: Event = postcard::from_bytes(&bytes).expect("what was written can be read");
        assert_eq!(&read, event, "the journal must give back what it was given");
        apply(&mut self.replayed, &read);
        apply(&mut self.restored, &read);
    }

    /// Compares the live state with its replay and its restore, and starts a new restore.
    pub(crate) fn check(&mut self) {
        let live = self.state.hash();
        assert_eq!(live, self.replayed.hash(), "replay = live");
        assert_eq!(live, self.restored.hash(), "store + tail = live");
        self.restored = self.restore();
        let hash = self.restored.hash();
        assert_eq!(live, hash, "store = live: {}", self.difference());
        assert_eq!(
            self.views(),
            views(&self.restored),
            "what is seen from outside"
        );
        assert_eq!(
            self.state.next_timer(),
            self.restored.next_timer(),
            "timers"
        );
    }

    /// Asserts that the restored state would lease the same. Skips by affinity are not durable,
    /// so this does not hold where keys are in play.
    pub(crate) fn check_next_lease(&self) {
        let next = |state: &State| {
            let decision = decide(state, state.last_at(), Command::Dispatch);
            decision.expect("dispatch is never refused").events
        };
        assert_eq!(
            next(&self.state),
            next(&self.restored),
            "the same lease comes next"
        );
    }

    /// What is due next in the live state, and in the restored one at the last check.
    pub(crate) fn next_due(&self) -> [Option<Due>; 2] {
        [self.state.next_due(), self.restored.next_due()]
    }

    /// What is kept of a run that has ended.
    pub(crate) fn archive(&self, run: RunId) -> Option<Bytes> {
        let stored = self.store.get(&EntryKey::Archive(run)).map(Vec::as_slice);
        let archive = self.state.run_archive(run).or(stored)?;
        Some(Bytes::copy_from_slice(archive))
    }

    /// Goes on with the state as a restart would find it.
    pub(crate) fn restart(&mut self) {
        self.check();
        self.state = self.restore();
    }

    fn restore(&mut self) -> State {
        for (key, value) in self.state.take_dirty() {
            match value {
                Some(value) => self.store.insert(key, value),
                // What is left of a run that lives again is replaced when that ends.
                None if matches!(key, EntryKey::Archive(_)) => None,
                None => self.store.remove(&key),
            };
        }
        let mut state = State::default();
        let is_entry = |key: &&EntryKey| !matches!(key, EntryKey::Archive(_));
        for key in self.store.keys().filter(is_entry) {
            let value = &self.store[key];
            let read = state.restore_entry(*key, value);
            read.unwrap_or_else(|error| panic!("{error}"));
        }
        state.finish_restore();
        state
    }

    fn difference(&self) -> String {
        let of = |state: &State| -> BTreeMap<EntryKey, Option<Vec<u8>>> {
            let keys = state.entry_keys().map(|key| (key, state.entry(key)));
            keys.collect()
        };
        let (live, restored) = (of(&self.state), of(&self.restored));
        let differs = |key: &&EntryKey| live.get(key) != restored.get(key);
        let keys: Vec<&EntryKey> = live.keys().chain(restored.keys()).filter(differs).collect();
        format!("{keys:?}")
    }

    fn views(&self) -> String {
        views(&self.state)
    }
}

fn views(state: &State) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        state.group_views(),
        state.pod_views(),
        state.worker_views(),
        state.workflow_views(),
        state.run_views(),
    )
}
