//! `keys …`: the keys that the database keeps.

use std::process::ExitCode;
use std::time::Duration;

use doorward::{Auth, DataKeyWork, Origin};

use super::output::{counted, print_line};
use crate::application;
use crate::command_line::KeysTask;
use crate::failure::Failure;
use crate::settings::Settings;

/// The time between two looks at what is left to do.
const PAUSE: Duration = Duration::from_secs(1);

/// Does what was asked about keys.
pub(crate) fn run(settings: &Settings, task: KeysTask) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        let auth = match task {
            KeysTask::RenewDataKey => application::open_for_a_command(settings, false).await?,
            KeysTask::ForgetSealed { yes } => application::open_giving_up_data_key(settings, yes).await?,
        };
        let outcome = match task {
            KeysTask::RenewDataKey => renew(&auth).await,
            KeysTask::ForgetSealed { .. } => forget(&auth).await,
        };
        auth.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    })
}

async fn renew(auth: &Auth) -> Result<(), Failure> {
    if !auth.renew_data_key().await.map_err(Failure::because)? {
        return Err(Failure::new("there is no data key yet: doorward serve makes one when it starts"));
    }
    print_line("a new data key is staged: every node gets to know it")?;
    // A server that runs does the same, and either may be ahead.
    while auth.look_after_data_keys().await.map_err(Failure::because)? != DataKeyWork::Settled {
        tokio::time::sleep(PAUSE).await;
    }
    print_line("done: no second factor is sealed under the old one any more")
}

async fn forget(auth: &Auth) -> Result<(), Failure> {
    let removed = auth.remove_unreadable_second_factors(Origin::operator()).await.map_err(Failure::because)?;
    print_line(&match removed {
        0 => "no second factor hangs on a lost key".to_owned(),
        1 => "1 second factor is gone: its owner's password is enough now".to_owned(),
        count => format!("{} are gone: their owners' passwords are enough now", counted(count, "second factor")),
    })
}
