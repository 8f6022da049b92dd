//! What figures were measured with: without it, two of them cannot be compared.

use std::path::Path;

use capataz_api::Timestamp;
use capataz_worker::session::build_version;
use serde::Serialize;

use super::usage;
use crate::doctor::file_system_name;
use crate::output::{Report, Sheet};
use crate::runs::moment::now;

/// The build, the machine and the day. What cannot be seen is null.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    /// The version of this build, with its commit when the build was told it.
    pub(crate) capataz: String,
    /// Whether this build checks itself as it goes: then its figures say nothing.
    pub(crate) debug_build: bool,
    /// The release of the kernel.
    pub(crate) kernel: Option<String>,
    /// The model of the processors.
    pub(crate) cpu: Option<String>,
    /// How many of them this process may use.
    pub(crate) cores: Option<usize>,
    /// The machine's memory.
    pub(crate) memory_bytes: Option<u64>,
    /// The file system under the server's data.
    pub(crate) file_system: Option<String>,
    /// When the measurement began.
    pub(crate) date: Timestamp,
}

impl Environment {
    /// That of a measurement with its data in `folder`, or in a temporary one.
    pub(crate) fn of(folder: Option<&Path>) -> Environment {
        let temporary = std::env::temp_dir();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        Environment {
            capataz: build_version(),
            debug_build: cfg!(debug_assertions),
            kernel: kernel.ok().map(|text| text.trim().to_owned()),
            cpu: cpu_model(),
            cores: std::thread::available_parallelism().ok().map(usize::from),
            memory_bytes: usage::total_memory(),
            file_system: file_system_name(folder.unwrap_or(&temporary)),
            date: now(),
        }
    }

    /// Figures that were measured with it.
    pub(crate) fn beside<F>(&self, figures: F) -> Measured<'_, F> {
        Measured {
            figures,
            environment: self,
        }
    }

    /// One sentence for people.
    fn words(&self) -> String {
        let build = if self.debug_build {
            " (a debug build)"
        } else {
            ""
        };
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        format!(
            "capataz {}{build}, kernel {}, {} cores ({}), {} GiB, {}, {}",
            self.capataz,
            or_unknown(&self.kernel),
            self.cores.unwrap_or_default(),
            or_unknown(&self.cpu),
            self.memory_bytes.unwrap_or_default() >> 30,
            or_unknown(&self.file_system),
            self.date
        )
    }
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Figures with what they were measured with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured<'a, F> {
    #[serde(flatten)]
    figures: F,
    environment: &'a Environment,
}

impl<F: Report> Report for Measured<'_, F> {
    fn sheet(&self) -> Sheet {
        let mut sheet = self.figures.sheet();
        sheet.note(self.environment.words());
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.figures.ids()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_seen_also_for_a_folder_to_be_made() {
        let there = std::env::temp_dir();
        let environment = Environment::of(Some(&there.join("not/yet/there")));
        assert_eq!(environment.file_system, file_system_name(&there));
        assert!(environment.file_system.is_some() && environment.kernel.is_some());
        assert!(environment.memory_bytes.unwrap() > 0 && environment.cores.unwrap() > 0);
        let words = environment.words();
        assert!(words.starts_with("capataz "), "{words}");
    }
}
