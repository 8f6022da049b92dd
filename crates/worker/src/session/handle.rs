//! What the owner of a session may ask of it while it runs.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// How a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has no connection, or was not welcomed yet. It keeps trying.
    Connecting,
    /// It has joined.
    Joined {
        /// The namespace it serves.
        namespace: String,
    },
    /// It has ended.
    Over,
}

#[derive(Debug)]
pub(super) enum Order {
    Drain(Option<Duration>),
    StopNow,
    Announce(Vec<String>),
}

/// Talks to a running [`super::Session`]. Orders to one that has ended do nothing.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    pub(super) orders: UnboundedSender<Order>,
    pub(super) status: watch::Receiver<Status>,
}

impl SessionHandle {
    /// Starts nothing new, lets what runs come to its end, hands over the results, says goodbye
    /// and ends the session. Attempts that still run when `patience` is over are asked to end,
    /// and their tasks go back to their queues. May be called again to shorten the patience.
    pub fn drain(&self, patience: Option<Duration>) {
        self.order(Order::Drain(patience));
    }

    /// As [`SessionHandle::drain`], but ends at once what runs: what a second SIGTERM asks for.
    pub fn stop_now(&self) {
        self.order(Order::StopNow);
    }

    /// Replaces the affinity keys that this worker announces.
    pub fn announce(&self, keys: Vec<String>) {
        self.order(Order::Announce(keys));
    }

    /// How the session stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the session has joined; false when it ended without.
    pub async fn joined(&self) -> bool {
        let mut status = self.status.clone();
        let settled = status
            .wait_for(|status| *status != Status::Connecting)
            .await;
        matches!(settled.as_deref(), Ok(Status::Joined { .. }))
    }

    fn order(&self, order: Order) {
        // Fails when the session has ended: then it has done whatever could be asked.
        let _ = self.orders.send(order);
    }
}
