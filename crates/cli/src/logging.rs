//! What `serve`, `worker` and `dev` log, on stderr.

use tracing_subscriber::EnvFilter;

use crate::failure::Told;
use crate::talk::colors;

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    #[error("{got:?} says not what to log: {cause}")]
    Filter {
        got: String,
        cause: tracing_subscriber::filter::ParseError,
    },
    #[error("log_format must be text or json, and is {got:?}")]
    Form { got: String },
}

impl Told for LoggingError {
    fn hint(&self) -> Option<String> {
        let hint = "--log takes error, warn, info, debug, trace, or capataz_server=debug,info";
        matches!(self, LoggingError::Filter { .. }).then(|| hint.to_owned())
    }
}

/// Logs what `filter` lets through, as `text` or `json`, until the process ends.
pub(crate) fn begin(filter: &str, form: &str) -> Result<(), LoggingError> {
    let level = EnvFilter::builder().parse(filter);
    let level = level.map_err(|cause| LoggingError::Filter {
        got: filter.to_owned(),
        cause,
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(colors(&std::io::stderr()));
    // A second call changes nothing: what began first is logged as it began.
    let _ = match form {
        "text" => subscriber.try_init(),
        "json" => subscriber.json().flatten_event(true).try_init(),
        got => {
            return Err(LoggingError::Form {
                got: got.to_owned(),
            });
        }
    };
    Ok(())
}
