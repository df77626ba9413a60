//! `users import`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use doorward::{Clock, Origin, SystemClock};
use doorward_transfer::TransferError;
use doorward_transfer::import::{
    AddedAccount, FirebaseParameters, ImportRules, ImportSummary, Input, Reading, RefusedRow, Service, import,
};

use super::output::{counted, print_line};
use super::progress::Bar;
use super::store::location;
use crate::application;
use crate::command_line::{FileFormat, ImportFrom, ImportTask};
use crate::failure::Failure;
use crate::settings::{Database, Settings};

/// How many refused rows are shown; a report has them all.
const SHOWN: usize = 20;

/// Brings accounts over. Refused rows make the exit status 1, so that no script takes them for done.
pub(super) fn run(settings: &Settings, task: &ImportTask) -> Result<ExitCode, Failure> {
    let input = input(&task.from)?;
    let mut refused = Refused::new(task.report.as_deref())?;
    let rules = ImportRules {
        reading: reading(task)?,
        admin_values: task.admin_values.clone(),
        new_ids: task.new_ids,
        must_change_password: task.must_change_password,
        dry_run: task.dry_run,
        now: SystemClock.now(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(prepare(settings, task))?;
    let (to, mut bar) = (location(&settings.database), Bar::new());
    let mut note = |row: &RefusedRow| refused.add(row);
    let mut ids = task.id_map.as_deref().map(|path| file_of_its_own(path, "old_id,new_id,email")).transpose()?;
    let mut note_id = |account: &AddedAccount<'_>| write_id(ids.as_mut(), account);
    let imported = import(input, &to, &rules, (&mut note, &mut note_id), &mut bar);
    let summary = runtime.block_on(imported).map_err(Failure::because)?;
    refused.finish()?;
    if let Some(mut ids) = ids {
        ids.flush().map_err(Failure::because)?;
    }
    tell(&summary, task.dry_run)?;
    runtime.block_on(send_letters(settings, &summary))?;
    match summary.refused {
        0 => Ok(ExitCode::SUCCESS),
        count => Err(Failure::new(match &task.report {
            Some(report) => format!("{} refused: {} says why", counted(count, "row"), report.display()),
            None => format!("{} refused (--report FILE writes them all down)", counted(count, "row")),
        })),
    }
}

/// Makes what the accounts are to lie in, and the secret that a server will look for beside them.
async fn prepare(settings: &Settings, task: &ImportTask) -> Result<(), Failure> {
    if task.dry_run {
        if !task.create {
            application::require_database(settings)?;
        }
        application::name_database(settings);
        return Ok(());
    }
    match settings.database {
        Database::Sqlite(_) => application::open_for_a_command(settings, task.create).await?.close().await,
        Database::Postgres(_) => application::name_database(settings),
    }
    Ok(())
}

/// How rows are read: as that service writes them, or by the names of their fields.
fn reading(task: &ImportTask) -> Result<Reading, Failure> {
    let Some(name) = &task.service else { return Ok(Reading::Columns(task.columns.clone())) };
    let service = match &task.firebase_config {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
            let parameters = FirebaseParameters::parse(&text).ok_or_else(|| {
                let names = "base64_signer_key, base64_salt_separator, rounds and mem_cost";
                Failure::new(format!("{} has not all of {names}, a line each", path.display()))
            })?;
            Service::Firebase(parameters)
        }
        None => Service::named(name).ok_or_else(|| Failure::new(format!("{name} is no service that is known")))?,
    };
    Ok(Reading::Service(service, SystemClock.now()))
}

fn write_id(file: Option<&mut BufWriter<File>>, account: &AddedAccount<'_>) -> Result<(), TransferError> {
    let Some(file) = file else { return Ok(()) };
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let old = account.old_id.map_or_else(String::new, quoted);
    writeln!(file, "{old},{},{}", account.id, quoted(account.email))
        .map_err(|error| TransferError::Input(format!("cannot write the ids: {error}")))
}

/// A letter with a link to choose a password for everybody whose hash was not kept.
async fn send_letters(settings: &Settings, summary: &ImportSummary) -> Result<(), Failure> {
    if summary.must_change.is_empty() {
        return Ok(());
    }
    let auth = application::open_for_a_command(settings, false).await?;
    for id in &summary.must_change {
        auth.force_password_change(*id, Origin::operator()).await.map_err(Failure::because)?;
    }
    auth.close().await;
    let count = summary.must_change.len() as u64;
    print_line(&format!("{} on the way: those choose another password", counted(count, "letter")))
}

fn input(from: &ImportFrom) -> Result<Input, Failure> {
    match from {
        ImportFrom::Table { database, table } => Ok(Input::Postgres { url: url(database)?, table: table.clone() }),
        ImportFrom::File { path, format } => {
            let reader: Box<dyn BufRead> = if path == Path::new("-") {
                Box::new(BufReader::new(io::stdin()))
            } else {
                let open = |error| Failure::new(format!("cannot open {}: {error}", path.display()));
                Box::new(BufReader::new(File::open(path).map_err(open)?))
            };
            Ok(match format {
                FileFormat::Csv => Input::Csv(reader),
                FileFormat::JsonLines => Input::JsonLines(reader),
                FileFormat::Document => Input::Document(reader),
            })
        }
    }
}

fn url(database: &Result<Database, std::path::PathBuf>) -> Result<String, Failure> {
    match database {
        Ok(Database::Postgres(url)) => Ok(url.to_string()),
        Ok(Database::Sqlite(_)) => Err(Failure::new("--from-postgres begins with postgres://")),
        Err(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
            Ok(text.trim().to_owned())
        }
    }
}

/// A file for its owner's eyes, with that line at its head.
fn file_of_its_own(path: &Path, head: &str) -> Result<BufWriter<File>, Failure> {
    let unwritable = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = BufWriter::new(opened.map_err(unwritable)?);
    writeln!(file, "{head}").map_err(unwritable)?;
    Ok(file)
}

/// The rows that were refused: the first ones are shown, all are written down if that was asked for.
struct Refused {
    report: Option<BufWriter<File>>,
    count: usize,
}

impl Refused {
    fn new(report: Option<&Path>) -> Result<Self, Failure> {
        let report = report.map(|path| file_of_its_own(path, "line,reason")).transpose()?;
        Ok(Self { report, count: 0 })
    }

    fn add(&mut self, row: &RefusedRow) -> Result<(), TransferError> {
        self.count += 1;
        if self.count <= SHOWN {
            print_line(&format!("line {} refused: {}", row.line, row.reason))
                .map_err(|failure| TransferError::Input(failure.to_string()))?;
        }
        if let Some(report) = &mut self.report {
            let written = writeln!(report, "{},\"{}\"", row.line, row.reason.replace('"', "\"\""));
            written.map_err(|error| TransferError::Input(format!("cannot write the report: {error}")))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        if self.count > SHOWN {
            print_line(&format!("and {} more", self.count - SHOWN))?;
        }
        match self.report {
            Some(mut report) => report.flush().map_err(Failure::because),
            None => Ok(()),
        }
    }
}

fn tell(summary: &ImportSummary, dry_run: bool) -> Result<(), Failure> {
    let done = if dry_run { "would import" } else { "imported" };
    print_line(&format!("{done} {}, {} refused", counted(summary.added, "account"), counted(summary.refused, "row")))?;
    for (algorithm, count) in &summary.algorithms {
        print_line(&format!(
            "{} of {algorithm}, replaced at its owner's next login where it is weaker",
            counted(*count, "hash")
        ))?;
    }
    if summary.verified > 0 {
        print_line(&format!("{} with a verified address", counted(summary.verified, "account")))?;
    }
    if summary.without_password > 0 {
        print_line(&format!(
            "{} without a password: nobody logs in to those yet",
            counted(summary.without_password, "account")
        ))?;
    }
    if summary.without_hash > 0 {
        let accounts = counted(summary.without_hash, "account");
        print_line(&format!("{accounts} without the hash there was: it can't be kept"))?;
    }
    if summary.new_ids {
        print_line("ids are new ones: none were there, they were not whole numbers, or --new-ids was given")?;
    }
    Ok(())
}
