//! What the system lets this process do, and others do to it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors beside the connections: databases, logs, certificates, the outbox's own connections.
const OTHER_FILES: u64 = 128;

/// Prepares the process for serving that many connections.
pub(super) fn prepare(max_connections: usize) {
    hide();
    if let Some(warning) = short_of_files(raise_file_limit(), max_connections) {
        tracing::warn!(event = "file_limit", "{warning}");
    }
}

/// Keeps the secrets in memory, and the environment, from other processes of the same user: no core dump, and
/// `/proc/PID/environ` is root's alone.
fn hide() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::debug!(event = "dumpable", %error);
        }
    }
}

/// Takes as many file descriptors as the system gives. How many; `None`: as many as wanted.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current }
}

/// What to say when the files are too few for the connections: past them newcomers get no answer at all.
fn short_of_files(files: Option<u64>, max_connections: usize) -> Option<String> {
    let files = files?;
    let wanted = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    (files < wanted).then(|| {
        format!(
            "max_connections = {max_connections} takes {wanted} file descriptors and the system gives {files}: raise the \
             limit (ulimit -n, LimitNOFILE=), or lower max_connections to {}",
            files.saturating_sub(OTHER_FILES).max(1)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_told_with_what_would_do() {
        assert_eq!(short_of_files(None, 1_000_000), None);
        assert_eq!(short_of_files(Some(1024), 896), None);
        let warning = short_of_files(Some(1024), 10_000).unwrap();
        assert!(
            warning.contains("takes 10128") && warning.contains("gives 1024") && warning.contains("to 896"),
            "{warning}"
        );
        assert!(short_of_files(Some(64), 10_000).unwrap().ends_with("to 1"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_of_the_process_is_dumped() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        hide();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
