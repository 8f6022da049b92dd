//! Tokens.

use capataz_api::rest::{AccessToken, Items, TokenCreated};

use super::at;
use crate::output::{Report, Sheet};

impl Report for TokenCreated {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::of_fields([("id", self.id.clone()), ("token", self.token.clone())]);
        sheet.note("Keep it now: it is not shown again.".to_owned());
        sheet
    }

    /// The token itself: who makes one in a script wants that.
    fn ids(&self) -> Vec<String> {
        vec![self.token.clone()]
    }
}

impl Report for Items<AccessToken> {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["ID", "ROLE", "GROUPS", "NAME", "CREATED", "EXPIRES"]);
        for token in &self.items {
            let expires = match token.expired {
                true => "expired".to_owned(),
                false => at(token.expires_at),
            };
            sheet.row([
                token.id.clone(),
                token.role.as_str().to_owned(),
                token.groups.join(", "),
                token.name.clone(),
                at(Some(token.created_at)),
                expires,
            ]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items.iter().map(|token| token.id.clone()).collect()
    }
}
