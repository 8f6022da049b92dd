//! `token`

use capataz_api::Span;
use capataz_api::rest::{Items, Role, TokenRequest};
use clap::{Subcommand, ValueEnum};

use super::Context;
use crate::failure::{Exit, Failure};
use crate::reports::Done;

/// Make, list and revoke tokens: who may ask the server for what.
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    /// List tokens: their roles, groups and ends; never their texts.
    #[command(visible_alias = "ls")]
    List,
    /// End a token's validity: its next call is refused, and what it has open ends.
    #[command(after_help = "Example:\n  capataz token revoke 3f00d1c2b4a59687")]
    Revoke(Id),
}

/// Make a token. Its text is printed now and never again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Roles:
  admin      everything
  operator   what a submitter may, and set, pause and drain groups, pods and workers
  submitter  what a viewer may, and submit, cancel, retry and wait for tasks
  viewer     look at everything
  worker     run attempts of the named groups, and read their logs

Examples:
  capataz token create --role viewer --name grafana
  capataz token create --role worker --group files --name farm-1 --expires-in 90d
  CAPATAZ_TOKEN=$(capataz token create --role submitter --output quiet)")]
struct Create {
    /// What its holder may do: admin, operator, submitter, viewer or worker
    #[arg(long, value_name = "ROLE", hide_possible_values = true)]
    role: RoleName,
    /// A group whose tasks a worker's token is for; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// What it is called in lists
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long it is good for, such as `90d` [default: until it is revoked]
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<Span>,
}

#[derive(Debug, clap::Args)]
struct Id {
    /// The token's id, as `token list` shows it
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Admin,
    Operator,
    Submitter,
    Viewer,
    Worker,
}

impl Token {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::Create(create) => {
                let request = TokenRequest {
                    role: create.role.into(),
                    groups: create.groups,
                    name: create.name,
                    expires_in: create.expires_in,
                };
                context.output.show(&client.create_token(&request).await?)?;
            }
            Verb::List => context.output.show(&Items {
                items: client.tokens().await?,
            })?,
            Verb::Revoke(Id { id }) => {
                client.revoke_token(&id).await?;
                context.output.show(&Done {
                    kind: "token",
                    name: id,
                    done: "revoked",
                })?;
            }
        }
        Ok(Exit::Success)
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Admin => Role::Admin,
            RoleName::Operator => Role::Operator,
            RoleName::Submitter => Role::Submitter,
            RoleName::Viewer => Role::Viewer,
            RoleName::Worker => Role::Worker,
        }
    }
}
