//! What every command begins with: the settings, and how to print.

use std::ffi::OsString;

use capataz_api::client::{Client, ClientConfig};

use crate::arguments::Shared;
use crate::failure::{Failure, Told};
use crate::output::{Format, Output};
use crate::settings::{Settings, load};
use crate::talk::say;

/// Settings with the shared flags laid over them.
pub(crate) struct Context {
    /// What file and environment say.
    pub(crate) settings: Settings,
    /// How to print.
    pub(crate) output: Output,
}

/// The file in a server's data folder that holds its admin's token.
const TOKEN_FILE: &str = "admin-token";

/// The setting `cli.output` is none of the three.
#[derive(Debug, thiserror::Error)]
#[error("cli.output must be table, json or quiet, and is {got:?}")]
struct NoFormat {
    got: String,
}

impl Told for NoFormat {
    fn hint(&self) -> Option<String> {
        Some("it is in [cli] of the settings file, or in CAPATAZ_CLI_OUTPUT".to_owned())
    }
}

impl Context {
    /// Reads the settings, and says what is odd about them.
    pub(crate) fn new(shared: &Shared) -> Result<Context, Failure> {
        let variable = |name: &str| -> Option<OsString> { std::env::var_os(name) };
        let (mut settings, warnings) = load(shared.config.as_deref(), variable)?;
        for warning in warnings {
            say(format_args!("capataz: {warning}"));
        }
        if let Some(server) = &shared.server {
            settings.server.clone_from(server);
        }
        if let Some(file) = &shared.tls_ca {
            settings.tls_ca = Some(file.clone());
        }
        let format = match shared.output {
            Some(format) => format,
            None => format_named(&settings.cli.output)?,
        };
        Ok(Context {
            settings,
            output: Output::new(format),
        })
    }

    /// The token to show: the one that is set, else the admin's when its file is here.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        Ok(self.client_config()?.token)
    }

    /// Speaks to the server that the settings name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.client_config()?)?)
    }

    fn client_config(&self) -> Result<ClientConfig, Failure> {
        let (server, token) = (self.settings.server.clone(), self.settings.token.clone());
        let file = self.settings.serve.data_dir.join(TOKEN_FILE);
        Ok(ClientConfig {
            tls_ca: self.settings.tls_ca.clone(),
            ..ClientConfig::resolve(Some(server), token, &file)?
        })
    }
}

fn format_named(name: &str) -> Result<Format, NoFormat> {
    match <Format as clap::ValueEnum>::from_str(name, false) {
        Ok(format) => Ok(format),
        Err(_) => Err(NoFormat {
            got: name.to_owned(),
        }),
    }
}
