//! The pages: verify an address, recover an account, accept an invitation, confirm another address, keep the old one.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use doorward::password::{NewPassword, PASSWORD_MAX_BYTES, Password, PasswordRefused};
use doorward::recovery::FactorAtRecovery;
use doorward::{Auth, EmailAddress, RedeemError, Registrant, TicketProof};

use super::form::Form;
use super::html::{Escaped, Page, fault, notice, refusal};
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;

const VERIFY: &str = "Confirm your address";
const RECOVER: &str = "Choose a new password";
const INVITATION: &str = "Choose your password";
const CHANGE: &str = "Confirm your new address";
const KEEP: &str = "Keep your address";
const INVALID: &str = "This link is no longer good. It may be too old, used already, or replaced by a newer one.";

/// What a page needs of its request.
struct Visit<'a> {
    service: &'a str,
    heading: &'static str,
}

impl Visit<'_> {
    fn page(&self, status: StatusCode, body: String) -> Response {
        Page { service: self.service, heading: self.heading, body }.answer(status)
    }

    /// A page that is shown, with a form for the token of its link.
    fn show(&self, query: Option<&str>, form: impl FnOnce(&str) -> String) -> Response {
        let fields = Form::parse(query.unwrap_or_default().as_bytes());
        let token = fields.as_ref().map_or("", |fields| fields.field("token"));
        if token.is_empty() { self.invalid() } else { self.page(StatusCode::OK, form(token)) }
    }

    fn invalid(&self) -> Response {
        self.page(StatusCode::FORBIDDEN, fault(INVALID))
    }

    /// What came of a form; `again` is the form to fill in once more.
    fn outcome(&self, outcome: Result<(), RedeemError>, done: &str, again: impl FnOnce() -> String) -> Response {
        match outcome {
            Ok(()) => self.page(StatusCode::OK, notice(done)),
            Err(RedeemError::Invalid) => self.invalid(),
            Err(RedeemError::WrongPassword) => {
                self.page(StatusCode::FORBIDDEN, fault("That is not the password of this account.") + &again())
            }
            Err(RedeemError::Password(refused)) => {
                self.page(StatusCode::UNPROCESSABLE_ENTITY, fault(&sentence(&refused)) + &again())
            }
            Err(RedeemError::AddressTaken) => {
                self.page(StatusCode::CONFLICT, fault("Another account has this address already."))
            }
            Err(RedeemError::Fault(error)) => refusal(self.service, ApiError::from(error)),
        }
    }
}

fn visit<'a>(auth: &'a Auth, heading: &'static str) -> Visit<'a> {
    Visit { service: &auth.account_rules().service_name, heading }
}

fn hidden(token: &str) -> String {
    format!("<input type=\"hidden\" name=\"token\" value=\"{}\">\n", Escaped(token))
}

/// The field for a password; `autocomplete` says which one a password manager is to fill in or make.
fn password_input(autocomplete: &str) -> String {
    format!("<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"{autocomplete}\" required>\n")
}

/// A form that asks for a password and nothing else.
fn password_form(token: &str, label: &str, autocomplete: &str, button: &str) -> String {
    format!(
        "<form method=\"post\">\n{}<label for=\"password\">{label}</label>\n\
         {}<button>{button}</button>\n</form>\n",
        hidden(token),
        password_input(autocomplete)
    )
}

fn verify_form(token: &str) -> String {
    let known = password_form(token, "Your password", "current-password", VERIFY);
    format!(
        "<p>The password that was chosen with the account shows that it is yours.</p>\n{known}<hr>\n\
         <p class=\"soft\">You chose none, or don't know it? Then the account's password and logins are taken to be \
         somebody else's: they end, and you get a link to choose your own.</p>\n\
         <form method=\"post\">\n{}<input type=\"hidden\" name=\"registrant\" value=\"unknown\">\n\
         <button class=\"second\">Confirm without a password</button>\n</form>\n",
        hidden(token)
    )
}

pub(super) async fn show_verify(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, VERIFY).show(query.as_deref(), verify_form)
}

pub(super) async fn verify(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, VERIFY), form.field("token"));
    let proof = TicketProof::link(token);
    if form.field("registrant") == "unknown" {
        let outcome = auth.verify_email(&proof, Registrant::Unknown, from.origin()).await;
        let done = "Your address is confirmed. A link to choose your password is on its way to you.";
        return visit.outcome(outcome, done, String::new);
    }
    let Some(password) = Password::new(form.field("password").to_owned()).ok() else {
        return visit.outcome(Err(RedeemError::WrongPassword), "", || verify_form(token));
    };
    let outcome = auth.verify_email(&proof, Registrant::Password(&password), from.origin()).await;
    visit.outcome(outcome, "Your address is confirmed.", || verify_form(token))
}

fn recover_form(token: &str) -> String {
    format!(
        "<p>All devices will be logged out.</p>\n<form method=\"post\">\n{}\
         <label for=\"password\">New password</label>\n{}\
         <label class=\"choice\"><input type=\"checkbox\" name=\"second_factor\" value=\"remove\"> \
         Remove an authenticator that was added in the last three days</label>\n\
         <p class=\"soft\">Only if it is not yours. An older one stays, and is still asked for.</p>\n\
         <button>{RECOVER}</button>\n</form>\n",
        hidden(token),
        password_input("new-password")
    )
}

/// Without a token: where to ask for a link.
fn ask_form() -> String {
    "<p>Enter the address of your account, and we send a link there.</p>\n<form method=\"post\">\n\
     <label for=\"email\">Address</label>\n\
     <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"username\" required>\n\
     <button>Send the link</button>\n</form>\n"
        .to_owned()
}

pub(super) async fn show_recover(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    let visit = visit(&auth, RECOVER);
    if query.is_none() {
        return visit.page(StatusCode::OK, ask_form());
    }
    visit.show(query.as_deref(), recover_form)
}

pub(super) async fn recover(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, RECOVER), form.field("token"));
    if token.is_empty() {
        return ask(&auth, &visit, form.field("email"), &from).await;
    }
    let password = match new_password(&auth, form.field("password")) {
        Ok(password) => password,
        Err(reason) => {
            return visit.page(StatusCode::UNPROCESSABLE_ENTITY, fault(&reason) + &recover_form(token));
        }
    };
    let factor = match form.field("second_factor") {
        "remove" => FactorAtRecovery::RemoveYoung,
        _ => FactorAtRecovery::Keep,
    };
    let outcome = auth.recover(&TicketProof::link(token), &password, factor, from.origin()).await;
    let done = "You have a new password. All devices were logged out: log in with it.";
    visit.outcome(outcome, done, || recover_form(token))
}

/// The same page for every address.
async fn ask(auth: &Auth, visit: &Visit<'_>, email: &str, from: &RequestOrigin) -> Response {
    let Ok(email) = EmailAddress::parse(email) else {
        return visit.page(StatusCode::UNPROCESSABLE_ENTITY, fault("That is no e-mail address.") + &ask_form());
    };
    match auth.request_recovery(&email, from.origin()).await {
        Ok(()) => {
            let done = "If there is an account with this address, a link is on its way to it.";
            visit.page(StatusCode::ACCEPTED, notice(done))
        }
        Err(error) => refusal(visit.service, ApiError::from(error)),
    }
}

fn invitation_form(token: &str) -> String {
    password_form(token, "Password", "new-password", INVITATION)
}

pub(super) async fn show_invitation(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, INVITATION).show(query.as_deref(), invitation_form)
}

pub(super) async fn accept(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, INVITATION), form.field("token"));
    let password = match new_password(&auth, form.field("password")) {
        Ok(password) => password,
        Err(reason) => {
            return visit.page(StatusCode::UNPROCESSABLE_ENTITY, fault(&reason) + &invitation_form(token));
        }
    };
    let outcome = auth.accept_invitation(&TicketProof::link(token), &password, from.origin()).await;
    let done = "Your account is ready: log in with your address and password.";
    visit.outcome(outcome, done, || invitation_form(token))
}

fn change_form(token: &str) -> String {
    format!(
        "<p>This address becomes the one of your account. The old one is told.</p>\n<form method=\"post\">\n{}\
         <button>Use this address</button>\n</form>\n",
        hidden(token)
    )
}

pub(super) async fn show_change(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, CHANGE).show(query.as_deref(), change_form)
}

pub(super) async fn change(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, CHANGE), form.field("token"));
    let outcome = auth.confirm_email_change(&TicketProof::link(token), from.origin()).await;
    visit.outcome(outcome, "Your account has this address now.", String::new)
}

fn keep_form(token: &str) -> String {
    format!(
        "<p>Your account keeps this address, or gets it back. All devices will be logged out, and you get a link to \
         choose a new password.</p>\n<form method=\"post\">\n{}<button>{KEEP}</button>\n</form>\n",
        hidden(token)
    )
}

pub(super) async fn show_keep(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, KEEP).show(query.as_deref(), keep_form)
}

pub(super) async fn keep(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, KEEP), form.field("token"));
    let outcome = auth.keep_email(&TicketProof::link(token), from.origin()).await;
    let done = "Your account has this address. All devices were logged out, and a link to choose a new password is on \
                its way to you.";
    visit.outcome(outcome, done, String::new)
}

/// A password that the policy allows, or why it doesn't.
fn new_password(auth: &Auth, text: &str) -> Result<NewPassword, String> {
    let too_long = || format!("The password may have {PASSWORD_MAX_BYTES} bytes at most.");
    let password = Password::new(text.to_owned()).map_err(|_| too_long())?;
    auth.new_password(password, None).map_err(|refused| sentence(&refused))
}

/// Why a password was refused, as a sentence.
fn sentence(refused: &PasswordRefused) -> String {
    let mut reason = refused.to_string();
    if let Some(first) = reason.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    reason + "."
}
