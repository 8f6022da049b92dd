//! Many runs of one workflow, with parameters line by line.

use std::path::{Path, PathBuf};

use capataz_api::client::Client;
use capataz_api::limits::{BATCH_RUNS, REQUEST_BYTES};
use capataz_api::problem::Problem;
use capataz_api::rest::{StartRunRequest, StartRunsRequest};
use serde_json::{Map, Value};

use super::definition::read;
use crate::failure::{Failure, Told};

/// Bytes of one call at the most, with room for what stands around the runs.
const CALL_BYTES: usize = REQUEST_BYTES / 2;

/// Lines that make no runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// A line is no JSON object. No run was started.
    #[error("{}:{line}: expected a JSON object with parameters by name: {cause}", path.display())]
    NotJson {
        path: PathBuf,
        line: usize,
        cause: serde_json::Error,
    },
    /// There is nothing to start.
    #[error("{} has no lines", path.display())]
    Empty { path: PathBuf },
    /// Runs were refused; the others were started.
    #[error("{}:{line}: {first}; {refused} of {all} runs were not started", path.display())]
    Refused {
        path: PathBuf,
        /// The first that was refused.
        line: usize,
        first: Problem,
        refused: usize,
        all: usize,
    },
}

impl Told for LineError {
    fn hint(&self) -> Option<String> {
        match self {
            LineError::Refused { .. } => Some(
                "with --key the same command starts only what was not started before".to_owned(),
            ),
            LineError::NotJson { .. } | LineError::Empty { .. } => None,
        }
    }
}

/// The ids of the runs that were started, and what refused others.
pub(crate) struct Started {
    pub(crate) ids: Vec<String>,
    pub(crate) refused: Option<LineError>,
}

/// Starts a run for each line: `common` with the parameters of the line on top. A key becomes one for
/// each line, by its number.
pub(crate) async fn start(
    client: &Client,
    file: &Path,
    common: &StartRunRequest,
) -> Result<Started, Failure> {
    let runs = requests(file, &read(file)?, common)?;
    let all = runs.len();
    let mut ids = Vec::with_capacity(all);
    let mut refused = Vec::new();
    for (lines, runs) in calls(runs) {
        let started = client.start_runs(&StartRunsRequest { runs }).await?;
        for (line, run) in lines.into_iter().zip(started.runs) {
            ids.extend(run.id);
            refused.extend(run.problem.map(|problem| (line, problem)));
        }
    }
    let count = refused.len();
    let first = refused.into_iter().next();
    let refused = first.map(|(line, first)| LineError::Refused {
        path: file.to_owned(),
        line,
        first,
        refused: count,
        all,
    });
    Ok(Started { ids, refused })
}

/// What is asked for each line, with its number.
fn requests(
    file: &Path,
    text: &str,
    common: &StartRunRequest,
) -> Result<Vec<(usize, StartRunRequest)>, LineError> {
    let mut requests = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let own: Map<String, Value> =
            serde_json::from_str(line).map_err(|cause| LineError::NotJson {
                path: file.to_owned(),
                line: number,
                cause,
            })?;
        let mut request = common.clone();
        request.parameters.extend(own);
        request.key = common.key.as_ref().map(|key| format!("{key}:{number}"));
        requests.push((number, request));
    }
    match requests.is_empty() {
        true => Err(LineError::Empty {
            path: file.to_owned(),
        }),
        false => Ok(requests),
    }
}

/// As many runs in each call as it may have.
fn calls(runs: Vec<(usize, StartRunRequest)>) -> Vec<(Vec<usize>, Vec<StartRunRequest>)> {
    let mut calls: Vec<(Vec<usize>, Vec<StartRunRequest>)> = Vec::new();
    let mut bytes = 0;
    for (line, run) in runs {
        // What cannot be written is refused when it is sent.
        let size = serde_json::to_vec(&run).map_or(0, |json| json.len());
        bytes += size;
        match calls.last_mut() {
            Some((lines, runs)) if runs.len() < BATCH_RUNS && bytes <= CALL_BYTES => {
                lines.push(line);
                runs.push(run);
            }
            _ => {
                bytes = size;
                calls.push((vec![line], vec![run]));
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn common() -> StartRunRequest {
        let parameters = json!({"day": "mon", "n": 1});
        StartRunRequest {
            workflow: Some("etl".to_owned()),
            key: Some("sweep".to_owned()),
            parameters: serde_json::from_value(parameters).expect("an object"),
            ..StartRunRequest::default()
        }
    }

    #[test]
    fn each_line_comes_on_top_of_what_all_have() {
        let text = "{\"n\": 2}\n\n{\"day\": \"tue\"}\n";
        let runs = requests(Path::new("x"), text, &common()).expect("runs");
        let keys: Vec<_> = runs.iter().map(|(_, run)| run.key.as_deref()).collect();
        assert_eq!(keys, [Some("sweep:1"), Some("sweep:3")]);
        let parameters = |place: usize| Value::Object(runs[place].1.parameters.clone());
        assert_eq!(parameters(0), json!({"day": "mon", "n": 2}));
        assert_eq!(parameters(1), json!({"day": "tue", "n": 1}));
    }

    #[test]
    fn a_line_that_is_no_object_is_named_and_nothing_is_made() {
        let of = |text: &str| requests(Path::new("x"), text, &common()).map(|runs| runs.len());
        let refused = of("{}\n[1]\n").expect_err("no object").to_string();
        assert!(
            refused.starts_with("x:2: expected a JSON object"),
            "{refused}"
        );
        assert!(matches!(of(" \n"), Err(LineError::Empty { .. })));
    }

    #[test]
    fn calls_are_within_their_limits() {
        let sizes = |count: usize, text: &str| {
            let mut run = common();
            run.parameters.insert("text".to_owned(), text.into());
            let runs = calls((0..count).map(|line| (line, run.clone())).collect());
            let sizes: Vec<usize> = runs.iter().map(|(_, runs)| runs.len()).collect();
            sizes
        };
        assert_eq!(sizes(2_001, ""), [1_000, 1_000, 1]);
        let large = "x".repeat(CALL_BYTES / 2 - 1_000);
        assert_eq!(sizes(5, &large), [2, 2, 1]);
    }
}
