//! `worker`: the command that runs attempts, and the noun whose verbs look after workers.

use std::path::PathBuf;

use capataz_api::Span;
use capataz_api::rest::Items;
use capataz_worker::process::{CommandPolicy, ProcessConfig};
use capataz_worker::session::{Secrets, SessionOptions, random_name};
use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::reports::Done;
use crate::running::{WorkerError, WorkerPlan, begin};
use crate::settings::{Settings, Size, WorkerSettings, parse_size};
use crate::stop::Stops;
use crate::talk::say;

const EXAMPLES: &str = "\
Examples:
  capataz worker --group files --pod cpu --allow-commands
  capataz worker --group thumbs --pod cpu --pod-slots 4 -- ./make-thumbnail --size 200
  capataz worker list
  capataz worker drain cpu-1

A task's payload is on the command's stdin and in the file CAPATAZ_PAYLOAD; its output is the
file CAPATAZ_OUTPUT, or else what it prints.";

/// Run tasks, or look after the workers that do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Worker {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List workers: their pods, groups and what they run.
    #[command(visible_alias = "ls")]
    List,
    Drain(Drain),
}

/// Let a worker finish what it runs, take nothing new, and end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  capataz worker drain cpu-1")]
struct Drain {
    /// The worker
    #[arg(value_name = "NAME")]
    name: String,
}

/// The flags of a worker that runs.
#[derive(Debug, clap::Args)]
struct Run {
    /// A group whose tasks it runs; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// The slice of the machine it belongs to
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// How many attempts may run in that pod at once, over all its workers; the first worker of a
    /// pod decides, until `pod set` does [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pod_slots: Option<u32>,
    /// How many attempts this worker runs at once [default: the pod's slots]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// Its name [default: the host's and a random suffix]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Run the commands that tasks bring: whoever may submit runs what they like
    #[arg(long, conflicts_with = "argv")]
    allow_commands: bool,
    /// An affinity key to announce; tasks that name it come here first; may be repeated
    #[arg(long, value_name = "KEY")]
    affinity: Vec<String>,
    /// Announce the affinity keys of this many of its last tasks
    #[arg(long, value_name = "N")]
    remember: Option<u32>,
    /// A variable of its own environment that attempts get too; may be repeated
    #[arg(long, value_name = "VARIABLE")]
    env_pass: Vec<String>,
    /// Memory of each process, such as `4 GiB`
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory_limit: Option<Size>,
    /// CPU time of each process, such as `1h`
    #[arg(long, value_name = "DURATION")]
    cpu_limit: Option<Span>,
    /// Open files of each process
    #[arg(long, value_name = "N")]
    open_files: Option<u64>,
    /// When told to stop: how long attempts may run on; then their tasks go back to their queues
    /// [default: until they have ended]
    #[arg(long, value_name = "DURATION")]
    drain: Option<Span>,
    /// A secret that tasks may name: the variable of its own environment, of that or another name;
    /// may be repeated
    #[arg(long = "secret", value_name = "NAME[=VARIABLE]")]
    secrets: Vec<String>,
    /// A folder with a file for each secret that tasks may name
    #[arg(long, value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// The command to run for every task
    #[arg(last = true, value_name = "ARGV")]
    argv: Vec<String>,
}

impl Worker {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            None => self.run.run(context).await,
            Some(Verb::List) => {
                context.output.show(&Items {
                    items: context.client()?.workers().await?,
                })?;
                Ok(Exit::Success)
            }
            Some(Verb::Drain(drain)) => {
                context.client()?.drain_worker(&drain.name, true).await?;
                let done = Done {
                    kind: "worker",
                    name: drain.name,
                    done: "draining",
                };
                context.output.show(&done)?;
                Ok(Exit::Success)
            }
        }
    }
}

impl Run {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let argv = self.argv.clone();
        let mut settings = self.over(context.settings.worker.clone());
        logging::begin(&settings.log, &settings.log_format)?;
        let patience = settings.drain.map(Into::into);
        if settings.concurrency.or(settings.pod_slots).is_none() {
            settings.concurrency = pod_slots(context, settings.pod.as_deref()).await;
        }
        let plan = plan(settings, argv)?;
        let (name, pod) = (plan.session.name.clone(), plan.session.pod.clone());
        let groups = plan.session.groups.join(", ");
        let mut stops = Stops::listen()?;
        let token = context.token()?;
        let Settings { server, tls_ca, .. } = &context.settings;
        let worker = begin(plan, server, token.as_deref(), tls_ca.as_deref()).await?;
        let handle = worker.handle();
        tokio::spawn(async move {
            if handle.joined().await {
                say(format_args!(
                    "capataz: worker {name} in pod {pod} runs tasks of {groups}"
                ));
            }
        });
        worker.until_stopped(&mut stops, patience).await?;
        Ok(Exit::Success)
    }

    /// The settings with the flags over them.
    fn over(self, mut settings: WorkerSettings) -> WorkerSettings {
        if !self.groups.is_empty() {
            settings.groups = self.groups;
        }
        if !self.affinity.is_empty() {
            settings.affinity = self.affinity;
        }
        settings.env_pass.extend(self.env_pass);
        settings.pod = self.pod.or(settings.pod);
        settings.pod_slots = self.pod_slots.or(settings.pod_slots);
        settings.concurrency = self.concurrency.or(settings.concurrency);
        settings.name = self.name.or(settings.name);
        settings.allow_commands |= self.allow_commands;
        settings.remember = self.remember.unwrap_or(settings.remember);
        settings.memory_limit = self.memory_limit.or(settings.memory_limit);
        settings.cpu_limit = self.cpu_limit.or(settings.cpu_limit);
        settings.open_files = self.open_files.or(settings.open_files);
        settings.drain = self.drain.or(settings.drain);
        settings.secrets.extend(self.secrets);
        settings.secrets_dir = self.secrets_dir.or(settings.secrets_dir);
        settings.log = self.log.unwrap_or(settings.log);
        settings.log_format = self.log_format.unwrap_or(settings.log_format);
        settings
    }
}

/// The slots of a pod that is there already; a server that cannot say so now does not keep the
/// worker from starting.
async fn pod_slots(context: &Context, pod: Option<&str>) -> Option<u32> {
    let pods = context.client().ok()?.pods().await.ok()?;
    let pod = pods
        .into_iter()
        .find(|known| Some(known.name.as_str()) == pod);
    pod.map(|pod| pod.slots)
}

/// A secret's name, and the variable that has it: of the same name unless another is named.
fn named(text: &str) -> (String, String) {
    let (name, variable) = text.split_once('=').unwrap_or((text, text));
    (name.to_owned(), variable.to_owned())
}

/// The worker that the settings describe; `argv` is the one command it runs, when there is one,
/// whatever the settings allow.
pub(super) fn plan(settings: WorkerSettings, argv: Vec<String>) -> Result<WorkerPlan, WorkerError> {
    let pod = settings.pod.ok_or(WorkerError::NoPod)?;
    let commands = match (argv.is_empty(), settings.allow_commands) {
        (false, _) => CommandPolicy::Fixed(argv),
        (true, true) => CommandPolicy::AllowTasks,
        (true, false) => return Err(WorkerError::NoCommand),
    };
    if settings.groups.is_empty() {
        return Err(WorkerError::NoGroup);
    }
    let name = settings.name.unwrap_or_else(random_name);
    let mut session = SessionOptions::new(name.clone(), pod.clone(), settings.groups);
    session.pod_slots = settings.pod_slots;
    session.concurrency = settings.concurrency.or(settings.pod_slots).unwrap_or(1);
    session.remember = settings.remember;
    session.affinity = settings.affinity;
    session.secrets = Secrets::from_variables(settings.secrets.iter().map(|text| named(text)));
    if let Some(folder) = settings.secrets_dir {
        session.secrets = session.secrets.or(Secrets::from_folder(folder));
    }
    let mut process = ProcessConfig::new(name, pod, commands);
    process.env_pass = settings.env_pass;
    process.limits.memory_bytes = settings.memory_limit.map(|size| size.0).filter(|b| *b > 0);
    process.limits.cpu = settings.cpu_limit.filter(|span| span.0 > 0).map(Into::into);
    process.limits.open_files = settings.open_files.filter(|files| *files > 0);
    Ok(WorkerPlan {
        session,
        process,
        state_dir: settings.state_dir,
    })
}
