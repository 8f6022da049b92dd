//! Lines of the audit trail, as many as there are.

use capataz_api::client::{Client, ClientError};
use capataz_api::limits::LIST_LIMIT;
use capataz_api::rest::{AuditLine, AuditQuery};

/// The audit trail of a run, from its beginning on.
pub(crate) struct Trail<'a> {
    client: &'a Client,
    run: &'a str,
    query: AuditQuery,
}

impl<'a> Trail<'a> {
    /// From the first line that `query` asks for.
    pub(crate) fn new(client: &'a Client, run: &'a str, query: AuditQuery) -> Trail<'a> {
        Trail { client, run, query }
    }

    /// Hands over every line that has come since the last call, in order.
    pub(crate) async fn read<E: From<ClientError>>(
        &mut self,
        mut line: impl FnMut(&AuditLine) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let lines = self.client.audit(Some(self.run), &self.query).await?;
            lines.iter().try_for_each(&mut line)?;
            self.query.after = lines.last().map(|line| line.seq).or(self.query.after);
            if lines.len() < LIST_LIMIT {
                return Ok(());
            }
        }
    }
}
