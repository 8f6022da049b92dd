//! Calls about tokens.

use http::Method;

use super::calls::path;
use super::http::Call;
use super::{Client, ClientError};
use crate::rest::{AccessToken, Changed, Items, NoBody, TokenCreated, TokenRequest};

impl Client {
    /// Makes a token. When the answer was lost on its way, so is the token: the error says so.
    pub async fn create_token(&self, body: &TokenRequest) -> Result<TokenCreated, ClientError> {
        let call = Call::change(Method::POST, path(&["tokens"]), body);
        self.http.call(call).await
    }

    /// All tokens, without their texts.
    pub async fn tokens(&self) -> Result<Vec<AccessToken>, ClientError> {
        let list: Items<AccessToken> = self.http.call(Call::get(path(&["tokens"]))).await?;
        Ok(list.items)
    }

    /// Ends a token's validity: its next call is refused.
    pub async fn revoke_token(&self, id: &str) -> Result<Changed, ClientError> {
        self.change(Method::DELETE, path(&["tokens", id]), &NoBody {})
            .await
    }
}
