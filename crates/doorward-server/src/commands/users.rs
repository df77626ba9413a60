//! `users …`: what an operator does to accounts, on the same library as the server.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use doorward::invite::Invitation;
use doorward::password::{NewPassword, PASSWORD_MAX_BYTES, Password, PasswordPolicy};
use doorward::profile::FullName;
use doorward::store::UserQuery;
use doorward::{Auth, EmailAddress, Origin, Role, User};
use serde_json::json;
use zeroize::Zeroizing;

use super::import;
use super::output::print_line;
use crate::application;
use crate::command_line::UsersTask;
use crate::failure::Failure;
use crate::settings::Settings;

/// How many accounts are read at a time.
const PAGE: u32 = 500;

/// Does what was asked about accounts.
pub(crate) fn run(settings: &Settings, task: &UsersTask) -> Result<ExitCode, Failure> {
    if let UsersTask::Import(task) = task {
        return import::run(settings, task);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        // A refused address or password comes before anything is made on disk.
        let work = Work::prepare(task, settings.account_rules.password_policy)?;
        let auth =
            application::open_for_a_command(settings, matches!(task, UsersTask::Create { create: true, .. })).await?;
        let outcome = work.perform(&auth).await;
        auth.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    })
}

/// A task whose arguments were checked.
enum Work {
    Create { email: EmailAddress, password: NewPassword, role: Role, verified: bool },
    Invite(Invitation),
    List { json: bool },
    Show(EmailAddress),
    SetActive(EmailAddress, bool),
    Verify(EmailAddress),
    RemoveSecondFactor(EmailAddress),
    SetRole(EmailAddress, Role),
    Erase(EmailAddress),
}

impl Work {
    fn prepare(task: &UsersTask, policy: PasswordPolicy) -> Result<Self, Failure> {
        Ok(match task {
            UsersTask::Create { email, role, password_stdin, verified, .. } => {
                let email = read_email(email)?;
                let text = if *password_stdin { password_from_input()? } else { password_from_terminal()? };
                Self::Create { email, password: new_password(text, policy)?, role: *role, verified: *verified }
            }
            UsersTask::Invite { email, full_name, role } => {
                let full_name = full_name.as_deref().map(FullName::parse).transpose().map_err(Failure::because)?;
                Self::Invite(Invitation { email: read_email(email)?, full_name, role: *role })
            }
            UsersTask::List { json } => Self::List { json: *json },
            UsersTask::Show(email) => Self::Show(read_email(email)?),
            UsersTask::Deactivate(email) => Self::SetActive(read_email(email)?, false),
            UsersTask::Reactivate(email) => Self::SetActive(read_email(email)?, true),
            UsersTask::Verify(email) => Self::Verify(read_email(email)?),
            UsersTask::RemoveSecondFactor(email) => Self::RemoveSecondFactor(read_email(email)?),
            UsersTask::SetRole(email, role) => Self::SetRole(read_email(email)?, *role),
            UsersTask::Erase { email, yes: true } => Self::Erase(read_email(email)?),
            UsersTask::Erase { yes: false, .. } => {
                return Err(Failure::new("nothing brings an erased account back: say that you mean it with --yes"));
            }
            UsersTask::Import(_) => return Err(Failure::new("an import is not about one account")),
        })
    }

    async fn perform(self, auth: &Auth) -> Result<(), Failure> {
        match self {
            Self::Create { email, password, role, verified } => {
                let made = match verified {
                    true => auth.create_verified_user(email, &password, role, Origin::operator()).await,
                    false => auth.create_user(email, &password, role, Origin::operator()).await,
                };
                let user = made.map_err(Failure::because)?;
                print_line(&format!("created user {}: {} ({})", user.id, user.email.as_str(), user.role))
            }
            Self::Invite(invitation) => {
                let user = auth.invite_user(invitation, Origin::operator()).await.map_err(Failure::because)?;
                print_line(&format!(
                    "invited user {}: {} ({}); the letter leaves with the next server that runs",
                    user.id,
                    user.email.as_str(),
                    user.role
                ))
            }
            Self::List { json: true } => list_as_json(auth).await,
            Self::List { json: false } => {
                print_line(&format!("{:>6}  {:5}  {:8}  {:20}  email", "id", "role", "active", "created"))?;
                for_each_user(auth, |user, _| print_line(&row(user))).await
            }
            Self::Show(email) => show(&find(auth, &email).await?),
            Self::SetActive(email, active) => {
                let id = find(auth, &email).await?.id;
                let changed = match active {
                    true => auth.reactivate(id, Origin::operator()).await,
                    false => auth.deactivate(id, Origin::operator()).await,
                };
                let user = changed.map_err(Failure::because)?;
                let state = if user.is_active { "active" } else { "deactivated, every session ended" };
                print_line(&format!("user {} ({}) is {state}", user.id, user.email.as_str()))
            }
            Self::Verify(email) => {
                let id = find(auth, &email).await?.id;
                let user = auth.vouch_for_email(id, Origin::operator()).await.map_err(Failure::because)?;
                print_line(&format!("the address of user {} ({}) is verified", user.id, user.email.as_str()))
            }
            Self::RemoveSecondFactor(email) => {
                let user = find(auth, &email).await?;
                auth.remove_second_factor(user.id, Origin::operator()).await.map_err(Failure::because)?;
                print_line(&format!("user {} ({}) logs in with the password alone", user.id, user.email.as_str()))
            }
            Self::SetRole(email, role) => {
                let id = find(auth, &email).await?.id;
                let user = auth.set_role(id, role, Origin::operator()).await.map_err(Failure::because)?;
                print_line(&format!("user {} ({}) has the role {}", user.id, user.email.as_str(), user.role))
            }
            Self::Erase(email) => {
                let user = find(auth, &email).await?;
                auth.erase_user(user.id, Origin::operator()).await.map_err(Failure::because)?;
                print_line(&format!("user {} is erased; events of the account stay, without the person", user.id))
            }
        }
    }
}

fn read_email(text: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse(text).map_err(|invalid| Failure::new(format!("EMAIL is no address: {invalid}")))
}

async fn find(auth: &Auth, email: &EmailAddress) -> Result<User, Failure> {
    let user = auth.find_user_by_email(email).await.map_err(Failure::because)?;
    user.ok_or_else(|| Failure::new(format!("no account has the address {}", email.as_str())))
}

/// Whether it suits the address is seen when the account is made.
fn new_password(text: Zeroizing<String>, policy: PasswordPolicy) -> Result<NewPassword, Failure> {
    let password = Password::new(text).map_err(Failure::because)?;
    NewPassword::new(password, policy).map_err(Failure::because)
}

/// The password up to the end of its line; a line break within it is refused rather than dropped.
fn password_from_input() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(PASSWORD_MAX_BYTES + 3).unwrap_or(u64::MAX);
    let read = io::stdin().lock().take(limit).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("cannot read the password from standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Failure::new("standard input has more than one line: give nothing but the password"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn password_from_terminal() -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new("there is no terminal to ask for the password on: pass it with --password-stdin"));
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(Failure::because);
    let password = ask("Password: ")?;
    let repeated = ask("Again: ")?;
    if password == repeated { Ok(password) } else { Err(Failure::new("the two passwords differ")) }
}

/// Reads every account, newest first. Accounts that appear meanwhile move the pages on; none is given twice.
async fn for_each_user(auth: &Auth, mut visit: impl FnMut(&User, bool) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut last = None;
    let mut offset = 0;
    loop {
        let query = UserQuery { offset, limit: PAGE, ..UserQuery::default() };
        let page = auth.list_users(query).await.map_err(Failure::because)?;
        for user in &page.users {
            if last.is_none_or(|last| user.id < last) {
                visit(user, last.is_none())?;
                last = Some(user.id);
            }
        }
        offset += u64::from(PAGE);
        if offset >= page.total || page.users.is_empty() {
            return Ok(());
        }
    }
}

async fn list_as_json(auth: &Auth) -> Result<(), Failure> {
    print_line("[")?;
    let mut previous: Option<String> = None;
    for_each_user(auth, |user, _| {
        let line = format!("  {}", as_json(user));
        previous.replace(line).map_or(Ok(()), |line| print_line(&format!("{line},")))
    })
    .await?;
    if let Some(line) = previous {
        print_line(&line)?;
    }
    print_line("]")
}

fn as_json(user: &User) -> serde_json::Value {
    json!({
        "id": user.id.value(),
        "email": user.email.as_str(),
        "full_name": user.full_name,
        "role": user.role.as_str(),
        "is_active": user.is_active,
        "email_verified": user.email_verified_at.is_some(),
        "created_at": created(user),
    })
}

fn row(user: &User) -> String {
    let active = yes_or_no(user.is_active);
    format!("{:>6}  {:5}  {active:8}  {:20}  {}", user.id, user.role.as_str(), created(user), user.email.as_str())
}

const fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn show(user: &User) -> Result<(), Failure> {
    print_line(&format!("id       {}", user.id))?;
    print_line(&format!("email    {}", user.email.as_str()))?;
    print_line(&format!("role     {}", user.role))?;
    print_line(&format!("active   {}", yes_or_no(user.is_active)))?;
    print_line(&format!("verified {}", yes_or_no(user.email_verified_at.is_some())))?;
    print_line(&format!("created  {}", created(user)))
}

/// When the account was made: RFC 3339, UTC, whole seconds.
fn created(user: &User) -> String {
    jiff::Timestamp::from_second(user.created_at.seconds()).map_or_else(|_| "?".to_owned(), |moment| moment.to_string())
}
