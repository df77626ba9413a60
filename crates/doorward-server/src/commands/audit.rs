//! `audit export`.

use std::process::ExitCode;

use doorward::audit::EventQuery;
use doorward::{Auth, Origin};
use doorward_axum::EventResponse;

use super::output::print;
use crate::application;
use crate::command_line::AuditTask;
use crate::failure::Failure;
use crate::settings::Settings;

/// Prints what was asked for of the audit trail.
pub(crate) fn run(settings: &Settings, task: &AuditTask) -> Result<ExitCode, Failure> {
    let AuditTask::Export { user, kind, since, until } = *task;
    let query = EventQuery { user_id: user, kind, since, until, before: None, limit: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        let auth = application::open_for_a_command(settings, false).await?;
        let outcome = export(&auth, query).await;
        auth.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    })
}

async fn export(auth: &Auth, query: EventQuery) -> Result<(), Failure> {
    let mut pages = auth.export_events(query, Origin::operator()).await.map_err(Failure::because)?;
    while let Some(events) = pages.next(auth).await.map_err(Failure::because)? {
        let lines: String = events.into_iter().map(|event| EventResponse::from(event).to_line()).collect();
        print(&lines)?;
    }
    Ok(())
}
