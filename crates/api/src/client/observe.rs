//! Calls that only look.

use super::calls::path;
use super::follow::EventStream;
use super::http::Call;
use super::{Client, ClientError};
use crate::rest::{EventsQuery, Explanation, Query, Stats, StatsQuery};

impl Client {
    /// How far it is, and how the server does.
    pub async fn stats(&self, query: &StatsQuery) -> Result<Stats, ClientError> {
        let path = path(&["stats"]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// What happens, from a cursor on.
    pub fn events(&self, query: EventsQuery) -> EventStream {
        EventStream::new(self.http.clone(), path(&["events"]), query)
    }

    /// Why a task, group, pod or worker does not run more. `kind` is `task`, `group`, `pod` or
    /// `worker`.
    pub async fn explain(&self, kind: &str, id: &str) -> Result<Explanation, ClientError> {
        self.http
            .call(Call::get(path(&["explain", kind, id])))
            .await
    }
}
