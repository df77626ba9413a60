//! The data folder and the secret that is made in it on first start.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::settings::Secret;

/// The name of the secret's file within the data folder.
const SECRET_FILE: &str = "secret.key";
/// How many random bytes a secret is made of.
const SECRET_BYTES: usize = 32;

/// The file of the secret that is made on first start.
pub(crate) fn secret_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SECRET_FILE)
}

/// Makes the folder, for its owner's eyes only, unless it is there.
///
/// # Errors
///
/// [`Failure`] when it can't be made, or [is not ours](require_own).
pub(crate) fn ensure(data_dir: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(|error| Failure::new(format!("cannot make the folder {}: {error}", data_dir.display())))?;
    require_own(data_dir)
}

/// Refuses what somebody else could have put there: a link to elsewhere, or what belongs to another user, who reads and
/// changes what we write. What isn't there is nobody's.
///
/// # Errors
///
/// [`Failure`] that says what it is and what to do.
fn require_own(path: &Path) -> Result<(), Failure> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let refused = |what: String| Err(Failure::new(format!("{} {what}", path.display())));
    if metadata.is_symlink() {
        return refused("is a symbolic link: name the place itself".to_owned());
    }
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner == own {
        Ok(())
    } else {
        refused(format!("belongs to user {owner}, and this is user {own}: run doorward as that user, or chown it"))
    }
}

/// Whether others than its owner may look into this file or folder.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// The secret of the data folder, if it has one.
///
/// # Errors
///
/// [`Failure`] when there is a file that can't be read or does not hold a good secret.
pub(crate) fn read_secret(data_dir: &Path) -> Result<Option<Secret>, Failure> {
    let path = secret_path(data_dir);
    require_own(&path)?;
    let text = match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(format!("cannot read the secret in {}: {error}", path.display()))),
    };
    let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    let secret = Secret::new(text).map_err(|weak| {
        Failure::new(format!(
            "the secret in {} is refused: {weak}; put a good one there, or move the file away and \
                              a new one is made (everybody logs in again)",
            path.display()
        ))
    })?;
    Ok(Some(secret))
}

/// The secret of the data folder, made now when there is none. Two that start at once agree on one.
///
/// # Errors
///
/// [`Failure`] when it can't be read or made.
pub(crate) fn ensure_secret(data_dir: &Path) -> Result<Secret, Failure> {
    if let Some(secret) = read_secret(data_dir)? {
        return Ok(secret);
    }
    let path = secret_path(data_dir);
    make_secret(data_dir, &path)
        .map_err(|error| Failure::new(format!("cannot make a secret in {}: {error}", path.display())))?;
    read_secret(data_dir)?.ok_or_else(|| Failure::new(format!("the secret in {} is gone", path.display())))
}

/// Writes a draft and links it to its name: the name appears with the whole secret behind it or not at
/// all, and whoever comes second keeps what the first one made.
fn make_secret(data_dir: &Path, path: &Path) -> io::Result<()> {
    let text = random_hex::<SECRET_BYTES>()?;
    // A name of its own even among containers that share the folder and number their processes alike.
    let draft = data_dir.join(format!("{SECRET_FILE}.{}", random_hex::<8>()?.as_str()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(data_dir)?.sync_all(),
    }
}

fn random_hex<const N: usize>() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(Zeroizing::new(nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn many_that_start_at_once_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        ensure(&data_dir).unwrap();
        let secrets: Vec<Secret> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| ensure_secret(&data_dir).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| secret.bytes() == secrets[0].bytes()));
        assert_eq!(secrets[0].bytes().len(), 2 * SECRET_BYTES);
        assert_eq!((mode(&data_dir), mode(&secret_path(&data_dir))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn who_comes_second_keeps_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let first = ensure_secret(folder.path()).unwrap();
        make_secret(folder.path(), &secret_path(folder.path())).unwrap();
        assert_eq!(ensure_secret(folder.path()).unwrap().bytes(), first.bytes());
    }

    #[test]
    fn a_weak_secret_in_the_folder_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(secret_path(folder.path()), "hunter2\n").unwrap();
        let failure = ensure_secret(folder.path()).unwrap_err().to_string();
        assert!(failure.contains("secret.key") && !failure.contains("hunter2"), "{failure}");
    }
}
