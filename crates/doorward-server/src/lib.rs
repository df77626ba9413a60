//! The server `doorward`: the library, a store and the HTTP routes, with settings and a command line.
//!
//! * [`settings`]: every setting in one table; file, environment and flags made valid once.
//! * [`command_line`]: what can be asked for.
//! * `commands`: what is done about it; `serve`: listening, limits, metrics, the orderly end.

mod application;
pub mod command_line;
mod commands;
mod data_dir;
mod delivery;
mod failure;
mod logging;
mod serve;
pub mod settings;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use command_line::{Invocation, Task};
use failure::Failure;
use settings::{Environment, RawSettings, Settings};

/// Does what the command line asks for.
///
/// Exit status 0: done; 1: refused, the reason on standard error, a line each; 2: wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
    let invocation = match command_line::parse(arguments) {
        Ok(invocation) => invocation,
        Err(error) => {
            // Help on a closed pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let raw = RawSettings::gather(&invocation.flags, &environment);
    drop(environment);
    match perform(&invocation, &raw) {
        Ok(status) => status,
        Err(failure) => {
            for line in failure.to_string().lines() {
                let _ = writeln!(io::stderr(), "doorward: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn perform(invocation: &Invocation, raw: &RawSettings) -> Result<ExitCode, Failure> {
    let settings = Settings::from_raw(raw);
    if invocation.task == Task::ConfigShow {
        // Above all when something is wrong one wants to see them.
        commands::config::show(raw)?;
    }
    let settings = settings.map_err(Failure::because)?;
    match &invocation.task {
        Task::Serve => serve::run(&settings),
        Task::Users(task) => commands::users::run(&settings, task),
        Task::Audit(task) => commands::audit::run(&settings, task),
        Task::Keys(task) => commands::keys::run(&settings, *task),
        Task::Mail(task) => commands::mail::run(&settings, task),
        Task::Backup { copy } => commands::backup::run(&settings, copy),
        Task::Healthcheck { only_alive } => commands::healthcheck::run(&settings, *only_alive),
        Task::Migrate { dry_run } => commands::migrate::run(&settings, *dry_run),
        Task::StoreCopy(task) => commands::store::copy(&settings, task),
        Task::ConfigShow => Ok(ExitCode::SUCCESS),
        Task::ConfigCheck => commands::config::check(&settings),
        Task::Calibrate { target_millis, json } => commands::calibrate::run(&settings, *target_millis, *json),
        Task::TokenInspect => commands::token::run(&settings),
    }
}
