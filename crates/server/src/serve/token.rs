//! The admin's token: made at the first start, the one token in clear.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::access::{PREFIX, random_hex};

/// The file, in the data folder.
const FILE: &str = "admin-token";

/// The token could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds no token.
    #[error("{} holds no token; remove it to have a new one made", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] rand::rand_core::OsError),
}

/// Reads the token, or makes one.
pub(super) fn admin_token(data_dir: &Path) -> Result<String, TokenError> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(token) if token.trim().is_empty() => Err(TokenError::Empty { path }),
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, path),
        Err(source) => Err(TokenError::File { path, source }),
    }
}

fn make(data_dir: &Path, path: PathBuf) -> Result<String, TokenError> {
    let token = format!("{PREFIX}{}", random_hex()?);
    let file = |source| TokenError::File {
        path: path.clone(),
        source,
    };
    // Written beside and renamed, so that a crash never leaves half a token.
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut target = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(file)?;
    target
        .write_all(token.as_bytes())
        .and_then(|()| target.sync_all())
        .map_err(file)?;
    fs::rename(&draft, &path)
        .and_then(|()| File::open(data_dir)?.sync_all())
        .map_err(file)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let token = admin_token(dir.path()).expect("a token is made");
        assert_eq!(admin_token(dir.path()).expect("the token is read"), token);
        assert_eq!(token.len(), PREFIX.len() + 64);
        let mode = fs::metadata(dir.path().join(FILE))
            .expect("the file is there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}
