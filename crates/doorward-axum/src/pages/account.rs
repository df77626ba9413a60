//! The pages: verify an address, recover an account, accept an invitation, confirm another address, keep the old one.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use doorward::password::{NewPassword, PASSWORD_MAX_BYTES, Password, PasswordRefused};
use doorward::recovery::FactorAtRecovery;
use doorward::ticket::Purpose;
use doorward::{Auth, EmailAddress, RedeemError, Registrant, TicketProof};

use super::form::Form;
use super::html::{Escaped, Page, fault, notice, refusal};
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;

/// A page and what it is called: while it asks, and when it is done.
#[derive(Clone, Copy)]
struct Kind {
    purpose: Purpose,
    asks: &'static str,
    done: &'static str,
    /// What to do when its link is no longer good, and whether a link to choose a password helps.
    instead: &'static str,
    recovers: bool,
}

const VERIFY: Kind = Kind {
    purpose: Purpose::VerifyEmail,
    asks: "Confirm your address",
    done: "Address confirmed",
    instead: "Log in and ask for another letter, or have a link sent to choose a new password: that confirms the address, too.",
    recovers: true,
};
const RECOVER: Kind = Kind {
    purpose: Purpose::Recover,
    asks: "Choose a new password",
    done: "New password set",
    instead: "Have another one sent.",
    recovers: true,
};
const INVITATION: Kind = Kind {
    purpose: Purpose::Invitation,
    asks: "Choose your password",
    done: "Account ready",
    instead: "Have a link sent to the address that was invited, or ask whoever invited you.",
    recovers: true,
};
const CHANGE: Kind = Kind {
    purpose: Purpose::ChangeEmail,
    asks: "Confirm your new address",
    done: "Address changed",
    instead: "Ask for the change once more where you asked for it before.",
    recovers: false,
};
const KEEP: Kind = Kind {
    purpose: Purpose::KeepEmail,
    asks: "Keep your address",
    done: "Address kept",
    instead: "If somebody else has your account, have a link sent to choose a new password.",
    recovers: true,
};
/// Where another link is asked for, on the way.
const ON_ITS_WAY: &str = "Look into your mail";
const NO_LONGER_GOOD: &str = "This link is no longer good";
const INVALID: &str = "It may be too old, used already, or replaced by a newer one.";

/// What a page needs of its request.
struct Visit<'a> {
    auth: &'a Auth,
    kind: Kind,
}

/// What a form is made of: the token of its link, and whose account it is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    token: &'a str,
    /// For password managers: the address that they keep the password under.
    owner: Option<&'a str>,
}

impl Visit<'_> {
    fn service(&self) -> &str {
        &self.auth.account_rules().service_name
    }

    fn page(&self, status: StatusCode, heading: &str, body: String) -> Response {
        Page { service: self.service(), heading, body }.answer(status)
    }

    /// A form once more, with what was wrong with it.
    fn again(&self, status: StatusCode, fault_of_it: &str, form: &str) -> Response {
        self.page(status, self.kind.asks, fault(fault_of_it) + form)
    }

    /// A page that is shown: the form of its link, if that is good. Nothing is used up.
    async fn show(&self, query: Option<&str>, form: impl FnOnce(Asked<'_>) -> String) -> Response {
        let fields = Form::parse(query.unwrap_or_default().as_bytes());
        let token = fields.as_ref().map_or("", |fields| fields.field("token"));
        match self.auth.owner_of_link(token, self.kind.purpose).await {
            Ok(Some(owner)) => {
                let asked = Asked { token, owner: Some(owner.as_str()) };
                self.page(StatusCode::OK, self.kind.asks, form(asked))
            }
            Ok(None) => self.invalid(),
            Err(error) => refusal(self.service(), ApiError::from(error)),
        }
    }

    /// What a link that is no longer good leads to.
    fn invalid(&self) -> Response {
        let mut body = fault(INVALID) + &format!("<p>{}</p>\n", self.kind.instead);
        if self.kind.recovers {
            body += &ask_form("");
        }
        body += &self.way_back("button second");
        self.page(StatusCode::FORBIDDEN, NO_LONGER_GOOD, body)
    }

    fn done(&self, text: &str) -> Response {
        self.page(StatusCode::OK, self.kind.done, notice(text) + &self.way_back("button"))
    }

    /// A link to where people log in, if the operator said where that is.
    fn way_back(&self, class: &str) -> String {
        let back = |url: &String| {
            let (url, service) = (Escaped(url), Escaped(self.service()));
            format!("<p><a class=\"{class}\" href=\"{url}\">Go on to {service}</a></p>\n")
        };
        self.auth.account_rules().return_url.as_ref().map_or_else(String::new, back)
    }

    /// What came of a form; `again` is the form to fill in once more.
    async fn outcome(
        &self,
        outcome: Result<(), RedeemError>,
        done: &str,
        (token, again): (&str, impl FnOnce(Asked<'_>) -> String),
    ) -> Response {
        let (status, reason) = match outcome {
            Ok(()) => return self.done(done),
            Err(RedeemError::Invalid) => return self.invalid(),
            Err(RedeemError::AddressTaken) => {
                (StatusCode::CONFLICT, "Another account has this address already.".to_owned())
            }
            Err(RedeemError::WrongPassword) => {
                (StatusCode::FORBIDDEN, "That is not the password of this account.".to_owned())
            }
            Err(RedeemError::Password(refused)) => (StatusCode::UNPROCESSABLE_ENTITY, sentence(&refused)),
            Err(RedeemError::Fault(error)) => return refusal(self.service(), ApiError::from(error)),
        };
        self.refused(status, &reason, (token, again)).await
    }

    /// The form once more, for whom it was before.
    async fn refused(
        &self,
        status: StatusCode,
        reason: &str,
        (token, again): (&str, impl FnOnce(Asked<'_>) -> String),
    ) -> Response {
        let owner = self.auth.owner_of_link(token, self.kind.purpose).await.ok().flatten();
        let asked = Asked { token, owner: owner.as_ref().map(EmailAddress::as_str) };
        self.again(status, reason, &again(asked))
    }
}

const fn visit(auth: &Auth, kind: Kind) -> Visit<'_> {
    Visit { auth, kind }
}

fn hidden(token: &str) -> String {
    format!("<input type=\"hidden\" name=\"token\" value=\"{}\">\n", Escaped(token))
}

/// The field for a password; `autocomplete` says which one a password manager is to fill in or make.
fn password_input(autocomplete: &str) -> String {
    let described = if autocomplete == "new-password" { " aria-describedby=\"rules\"" } else { "" };
    format!(
        "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"{autocomplete}\"{described} required>\n"
    )
}

/// What every form of a link holds: its token and, where a password is typed, whose it is.
fn carried(asked: Asked<'_>) -> String {
    let owner = asked.owner.map_or_else(String::new, |owner| {
        format!(
            "<input type=\"text\" name=\"username\" autocomplete=\"username\" value=\"{}\" readonly hidden>\n",
            Escaped(owner)
        )
    });
    hidden(asked.token) + &owner
}

/// What a new password must be, told before one is chosen.
fn rules(auth: &Auth) -> String {
    let shortest = auth.account_rules().password_policy.min_code_points;
    format!(
        "<p class=\"soft\" id=\"rules\">At least {shortest} characters, and nothing that is guessed easily, such as your \
         address or a password that many have.</p>\n"
    )
}

/// A form that asks for a password and nothing else.
fn password_form(asked: Asked<'_>, label: &str, autocomplete: &str, button: &str) -> String {
    format!(
        "<form method=\"post\">\n{}<label for=\"password\">{label}</label>\n\
         {}<button>{button}</button>\n</form>\n",
        carried(asked),
        password_input(autocomplete)
    )
}

fn verify_form(asked: Asked<'_>) -> String {
    let known = password_form(asked, "Your password", "current-password", VERIFY.asks);
    format!(
        "<p>The password that was chosen with the account shows that it is yours.</p>\n{known}<hr>\n\
         <p class=\"soft\">You chose none, or don't know it? Then the account's password and logins are taken to be \
         somebody else's: they end, and you get a link to choose your own.</p>\n\
         <form method=\"post\">\n{}<input type=\"hidden\" name=\"registrant\" value=\"unknown\">\n\
         <button class=\"second\">Confirm without a password</button>\n</form>\n",
        hidden(asked.token)
    )
}

pub(super) async fn show_verify(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, VERIFY).show(query.as_deref(), verify_form).await
}

pub(super) async fn verify(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, VERIFY), form.field("token"));
    let proof = TicketProof::link(token);
    if form.field("registrant") == "unknown" {
        let outcome = auth.verify_email(&proof, Registrant::Unknown, from.origin()).await;
        let done = "Your address is confirmed. A link to choose your password is on its way to you.";
        return visit.outcome(outcome, done, (token, |_| String::new())).await;
    }
    let Some(password) = Password::new(form.field("password").to_owned()).ok() else {
        return visit.outcome(Err(RedeemError::WrongPassword), "", (token, verify_form)).await;
    };
    let outcome = auth.verify_email(&proof, Registrant::Password(&password), from.origin()).await;
    visit.outcome(outcome, "This address is yours, and your account knows it.", (token, verify_form)).await
}

fn recover_form(auth: &Auth, asked: Asked<'_>) -> String {
    format!(
        "<p>All devices will be logged out.</p>\n{}<form method=\"post\">\n{}\
         <label for=\"password\">New password</label>\n{}\
         <label class=\"choice\"><input type=\"checkbox\" name=\"second_factor\" value=\"remove\"> \
         Remove an authenticator that was added in the last three days</label>\n\
         <p class=\"soft\">Only if it is not yours. An older one stays, and is still asked for.</p>\n\
         <button>{}</button>\n</form>\n",
        rules(auth),
        carried(asked),
        password_input("new-password"),
        RECOVER.asks
    )
}

/// Without a token: where to ask for a link, from whichever page.
fn ask_form(typed: &str) -> String {
    format!(
        "<form method=\"post\" action=\"recover\">\n<label for=\"email\">Address of your account</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"username\" value=\"{}\" required>\n\
         <button>Send a link</button>\n</form>\n",
        Escaped(typed)
    )
}

pub(super) async fn show_recover(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    let visit = visit(&auth, RECOVER);
    if query.is_none() {
        return visit.page(StatusCode::OK, RECOVER.asks, ask_form(""));
    }
    visit.show(query.as_deref(), |asked| recover_form(&auth, asked)).await
}

pub(super) async fn recover(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, RECOVER), form.field("token"));
    if token.is_empty() {
        return ask(&auth, &visit, form.field("email"), &from).await;
    }
    let password = match new_password(&auth, form.field("password")) {
        Ok(password) => password,
        Err(reason) => {
            let again = |asked: Asked<'_>| recover_form(&auth, asked);
            return visit.refused(StatusCode::UNPROCESSABLE_ENTITY, &reason, (token, again)).await;
        }
    };
    let factor = match form.field("second_factor") {
        "remove" => FactorAtRecovery::RemoveYoung,
        _ => FactorAtRecovery::Keep,
    };
    let outcome = auth.recover(&TicketProof::link(token), &password, factor, from.origin()).await;
    let done = "You have a new password. All devices were logged out: log in with it.";
    visit.outcome(outcome, done, (token, |asked: Asked<'_>| recover_form(&auth, asked))).await
}

/// The same page for every address.
async fn ask(auth: &Auth, visit: &Visit<'_>, email: &str, from: &RequestOrigin) -> Response {
    let Ok(address) = EmailAddress::parse(email) else {
        return visit.again(StatusCode::UNPROCESSABLE_ENTITY, "That is no e-mail address.", &ask_form(email));
    };
    match auth.request_recovery(&address, from.origin()).await {
        Ok(()) => {
            let done = "If there is an account with this address, a link is on its way to it.";
            visit.page(StatusCode::ACCEPTED, ON_ITS_WAY, notice(done))
        }
        Err(error) => refusal(visit.service(), ApiError::from(error)),
    }
}

fn invitation_form(auth: &Auth, asked: Asked<'_>) -> String {
    rules(auth) + &password_form(asked, "Password", "new-password", INVITATION.asks)
}

pub(super) async fn show_invitation(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, INVITATION).show(query.as_deref(), |asked| invitation_form(&auth, asked)).await
}

pub(super) async fn accept(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, INVITATION), form.field("token"));
    let password = match new_password(&auth, form.field("password")) {
        Ok(password) => password,
        Err(reason) => {
            let again = |asked: Asked<'_>| invitation_form(&auth, asked);
            return visit.refused(StatusCode::UNPROCESSABLE_ENTITY, &reason, (token, again)).await;
        }
    };
    let outcome = auth.accept_invitation(&TicketProof::link(token), &password, from.origin()).await;
    let done = "Your account is ready: log in with your address and password.";
    visit.outcome(outcome, done, (token, |asked: Asked<'_>| invitation_form(&auth, asked))).await
}

fn change_form(asked: Asked<'_>) -> String {
    format!(
        "<p>This address becomes the one of your account. The old one is told.</p>\n<form method=\"post\">\n{}\
         <button>Use this address</button>\n</form>\n",
        hidden(asked.token)
    )
}

pub(super) async fn show_change(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, CHANGE).show(query.as_deref(), change_form).await
}

pub(super) async fn change(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, CHANGE), form.field("token"));
    let outcome = auth.confirm_email_change(&TicketProof::link(token), from.origin()).await;
    visit.outcome(outcome, "Your account has this address now.", (token, |_| String::new())).await
}

fn keep_form(asked: Asked<'_>) -> String {
    format!(
        "<p>Your account keeps this address, or gets it back. All devices will be logged out, and you get a link to \
         choose a new password.</p>\n<form method=\"post\">\n{}<button>{}</button>\n</form>\n",
        hidden(asked.token),
        KEEP.asks
    )
}

pub(super) async fn show_keep(State(auth): State<Arc<Auth>>, RawQuery(query): RawQuery) -> Response {
    visit(&auth, KEEP).show(query.as_deref(), keep_form).await
}

pub(super) async fn keep(State(auth): State<Arc<Auth>>, from: RequestOrigin, form: Form) -> Response {
    let (visit, token) = (visit(&auth, KEEP), form.field("token"));
    let outcome = auth.keep_email(&TicketProof::link(token), from.origin()).await;
    let done = "Your account has this address. All devices were logged out, and a link to choose a new password is on \
                its way to you.";
    visit.outcome(outcome, done, (token, |_| String::new())).await
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
