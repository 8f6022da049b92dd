//! `demo`, and what each of its tasks runs

use std::path::{Path, PathBuf};
use std::time::Duration;

use capataz_api::client::{Client, ClientConfig};
use capataz_api::proto::TaskSpec;
use capataz_api::rest::{TaskState, TasksQuery, WaitRequest};

use super::Context;
use super::worker::plan;
use crate::demo::{FILES_MAX, Summary, find, measure};
use crate::failure::{Exit, Failure, Told};
use crate::running::{WorkerError, WorkerPlan, begin, options, start};
use crate::settings::WorkerSettings;
use crate::talk::say;
use crate::waiting::Waiting;

/// Watch a real job: every file of a folder hashed and measured, each by a task.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz demo
  capataz demo /usr/share/doc

It starts a server and two pods of workers of its own and ends with them.")]
pub(crate) struct Demo {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Print a file's hash, size and lines as JSON; only `demo` starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoMeasure {
    /// The file.
    file: PathBuf,
}

impl DemoMeasure {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.output.json_line(&measure(&self.file)?)?;
        Ok(Exit::Success)
    }
}

/// The group of all tasks of the demo.
const GROUP: &str = "files";

/// The pods, each with a worker, and how many attempts may run in them at once.
const PODS: [(&str, u32); 2] = [("pod-a", 2), ("pod-b", 1)];

/// The tag of all tasks of the demo.
const TAG: &str = "demo";

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let files = find(&self.folder);
        if files.is_empty() {
            return Err(NoFiles {
                folder: self.folder,
            }
            .into());
        }
        let data = tempfile::tempdir().map_err(NoFolder)?;
        let mut settings = context.settings.clone();
        settings.serve.data_dir = data.path().join("data");
        settings.serve.listen = "127.0.0.1:0".to_owned();
        (settings.serve.tls_cert, settings.serve.tls_key) = (None, None);
        settings.worker.state_dir = Some(data.path().join("workers"));
        let server = start(options(&settings.serve)?).await?;
        say(format_args!(
            "A server on {}, its data in {}",
            server.url(),
            data.path().display()
        ));
        let mut workers = Vec::new();
        for (pod, slots) in PODS {
            let plan = worker(settings.worker.clone(), pod, slots)?;
            workers.push(begin(plan, &server.url(), Some(server.token()), None).await?);
            say(format_args!(
                "A worker in {pod}, which runs {slots} at once"
            ));
        }
        let shown = self.folder.display();
        say(format_args!(
            "{} tasks, one for each file of {shown}: a process that hashes it",
            files.len()
        ));
        let client = Client::new(&ClientConfig {
            server: server.url(),
            token: Some(server.token().to_owned()),
            ..ClientConfig::default()
        })?;
        let summary = job(&client, &files).await;
        // Its connections would keep the server from ending.
        drop(client);
        for worker in workers {
            worker.handle().drain(None);
            worker.ended().await?;
        }
        server.shutdown().await;
        context.output.show(&summary?)?;
        say(NEXT);
        Ok(Exit::Success)
    }
}

/// Where to look next.
const NEXT: &str = "
Where to look next:
  capataz dev --group files                                   your own server and worker
  capataz submit --group files --wait -- sha256sum README.md  a task for it, from another terminal
  capataz task list --group files                             what became of it
  capataz submit --help                                       a task per line of a file, and more
  docs/guide/getting-started.md                               the same, step by step";

/// Submits the job, waits for it, and gathers what it found.
async fn job(client: &Client, files: &[PathBuf]) -> Result<Summary, Failure> {
    let program = std::env::current_exe().map_err(NoProgram)?;
    let specs: Vec<TaskSpec> = files.iter().map(|file| task(&program, file)).collect();
    let accepted = client.submit_batch(specs).await?;
    let mut waiting = Waiting::new(client, None, true, files.len() as u64);
    let ids: Vec<String> = accepted.ids.iter().collect();
    waiting
        .set(WaitRequest {
            ids,
            ..WaitRequest::default()
        })
        .await?;
    let ended = waiting.finish();
    let tag = Some(TAG.to_owned());
    let (limit, position) = (Some(FILES_MAX), Some(ended.position));
    let page = client
        .list(&TasksQuery {
            tag,
            limit,
            position,
            ..TasksQuery::default()
        })
        .await?;
    let mut summary = Summary::default();
    for task in &page.items {
        let output = task.output.as_ref().and_then(|output| output.as_text());
        let measured = output.and_then(|text| serde_json::from_str(text).ok());
        let Some(measured) = measured else {
            return Err(Unmeasured {
                task: task.id.clone(),
                state: task.state,
            }
            .into());
        };
        let times = task.started_at.zip(task.finished_at);
        let taken = times.map_or(0, |(from, to)| to.0.saturating_sub(from.0));
        let worker = task.worker.as_deref().unwrap_or_default();
        summary.add(&measured, worker, Duration::from_micros(taken));
    }
    Ok(summary)
}

/// One file's task: this program again, so that nothing needs to be installed.
fn task(program: &Path, file: &Path) -> TaskSpec {
    let words = [
        program.to_string_lossy(),
        "demo-measure".into(),
        file.to_string_lossy(),
    ];
    TaskSpec {
        group: GROUP.to_owned(),
        argv: words.map(Into::into).into(),
        tags: vec![TAG.to_owned()],
        max_attempts: Some(2),
        ..TaskSpec::default()
    }
}

fn worker(mut settings: WorkerSettings, pod: &str, slots: u32) -> Result<WorkerPlan, WorkerError> {
    settings.groups = vec![GROUP.to_owned()];
    settings.pod = Some(pod.to_owned());
    settings.name = Some(format!("{pod}-1"));
    (settings.pod_slots, settings.concurrency) = (Some(slots), Some(slots));
    settings.allow_commands = true;
    plan(settings, Vec::new())
}

/// A folder without anything to do.
#[derive(Debug, thiserror::Error)]
#[error("there is no file to measure in {}", folder.display())]
struct NoFiles {
    folder: PathBuf,
}

impl Told for NoFiles {
    fn hint(&self) -> Option<String> {
        Some("name a folder with files: capataz demo DIR".to_owned())
    }
}

/// There is no place for the demo's data.
#[derive(Debug, thiserror::Error)]
#[error("no temporary folder can be made: {0}")]
struct NoFolder(std::io::Error);

impl Told for NoFolder {
    fn hint(&self) -> Option<String> {
        Some("TMPDIR names another folder for temporary files".to_owned())
    }
}

/// This program's file is gone, so it cannot be run again.
#[derive(Debug, thiserror::Error)]
#[error("this program cannot find itself: {0}")]
struct NoProgram(std::io::Error);

impl Told for NoProgram {}

/// A task that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("task {task} is {state} and has measured nothing")]
struct Unmeasured {
    task: String,
    state: TaskState,
}

impl Told for Unmeasured {
    fn exit(&self) -> Exit {
        Exit::WorkFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_this_program_with_the_file_as_one_argument() {
        let spec = task(Path::new("/bin/capataz"), Path::new("a b.rs"));
        assert_eq!(spec.argv, ["/bin/capataz", "demo-measure", "a b.rs"]);
        assert_eq!((spec.group.as_str(), spec.tags[0].as_str()), (GROUP, TAG));
    }
}
