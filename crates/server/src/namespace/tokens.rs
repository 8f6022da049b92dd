//! The tokens on record, at hand for whoever checks requests. What is here is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use capataz_engine::{Change, Event, State, Token, TokenId};
use tokio::sync::watch;

type Known = BTreeMap<TokenId, Arc<Token>>;

/// Keeps the tokens in step with what has happened.
pub(crate) struct TokenKeeper {
    known: watch::Sender<Known>,
}

/// The tokens on record. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens {
    known: watch::Receiver<Known>,
}

impl TokenKeeper {
    /// The tokens of a state.
    pub(crate) fn new(state: &State) -> (TokenKeeper, Tokens) {
        let tokens = state.tokens();
        let known = tokens.map(|(id, token)| (id, Arc::new(token.clone())));
        let (sender, receiver) = watch::channel(known.collect());
        (TokenKeeper { known: sender }, Tokens { known: receiver })
    }

    /// Takes over what durable events say of tokens; they are few among many others.
    pub(crate) fn follow(&self, events: &[Event]) {
        for event in events {
            match &event.change {
                Change::TokenCreated { id, token } => {
                    let token = Arc::new(token.clone());
                    self.known.send_modify(|known| {
                        known.insert(*id, token);
                    });
                }
                Change::TokenRevoked { id } => self.known.send_modify(|known| {
                    known.remove(id);
                }),
                _ => {}
            }
        }
    }
}

impl Tokens {
    /// The token of a number, expired or not.
    pub(crate) fn find(&self, id: TokenId) -> Option<Arc<Token>> {
        self.known.borrow().get(&id).cloned()
    }

    /// Returns when the token is not on record any more, or the namespace has stopped.
    pub(crate) async fn revoked(&self, id: TokenId) {
        let mut known = self.known.clone();
        // An error says that nobody keeps them any more.
        let _ = known.wait_for(|known| !known.contains_key(&id)).await;
    }
}

#[cfg(test)]
mod tests {
    use capataz_engine::{Role, Timestamp};

    use super::*;

    #[tokio::test]
    async fn what_is_revoked_is_gone_and_who_waits_for_it_hears_of_it() {
        let (keeper, tokens) = TokenKeeper::new(&State::default());
        let id = TokenId(7);
        let token = Token {
            hash: [1; 32],
            name: String::new(),
            role: Role::Viewer,
            created_at: Timestamp(1),
            expires_at: None,
        };
        let event = |change| Event {
            at: Timestamp(1),
            change,
        };
        keeper.follow(&[event(Change::TokenCreated { id, token })]);
        assert!(tokens.find(id).is_some());
        let waiting = tokio::spawn({
            let tokens = tokens.clone();
            async move { tokens.revoked(id).await }
        });
        keeper.follow(&[event(Change::TokenRevoked { id })]);
        waiting.await.expect("it returns");
        assert!(tokens.find(id).is_none());
    }
}
