//! Finds the files of a folder that are worth a task.

use std::path::{Path, PathBuf};

/// Files of one demo: enough to watch, few enough to be over soon.
pub(crate) const FILES_MAX: usize = 400;

/// Folders with what was built or downloaded, not written.
const SKIPPED: [&str; 4] = ["target", "node_modules", "capataz-data", "__pycache__"];

/// Regular files under `folder` in alphabetical order, at most [`FILES_MAX`]; no hidden ones, and
/// no links, which could lead out of it. What cannot be read is left out.
pub(crate) fn find(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    gather(folder, &mut found);
    found
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if found.len() >= FILES_MAX {
            return;
        }
        // A task's argv is UTF-8, so a file with another name cannot be one's argument.
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && !SKIPPED.contains(&name) {
            gather(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_regular_files_of_people_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["src", "target", ".git"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["src/b", "a", "target/x", ".git/y", ".hidden"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", path("link")).unwrap();
        assert_eq!(find(folder.path()), [path("a"), path("src/b")]);
        assert_eq!(find(&path("nowhere")), Vec::<PathBuf>::new());
    }
}
