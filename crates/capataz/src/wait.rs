//! Waiting for tasks.

use capataz_api::client::{Client, ClientError};
use capataz_api::rest::{WaitRequest, Waited};

/// Waits until all these tasks have ended, however they end. [`Client::wait`] can do more: wait
/// for a group or a tag, give up, show progress.
///
/// # Errors
///
/// As [`Client::wait`].
pub async fn wait_for(
    client: &Client,
    ids: impl IntoIterator<Item = impl ToString>,
) -> Result<Waited, ClientError> {
    let ids = ids.into_iter().map(|id| id.to_string()).collect();
    let request = WaitRequest {
        ids,
        ..WaitRequest::default()
    };
    client.wait(request, None, |_| {}).await
}
