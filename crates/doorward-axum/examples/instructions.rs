//! What `scripts/instruction-gates` counts: does one thing so many times, `instructions THING TIMES`.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use doorward::account::Record;
use doorward::password::{HashParameters, HashingPool, PasswordHash, PoolSettings};
use doorward::session::{NewSession, RefreshRules, RotationAttempt, Session, SessionId, decide};
use doorward::store::{Rotation, UserCreation};
use doorward::testing::MemoryStore;
use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::token::refresh::RefreshToken;
use doorward::user::NewUser;
use doorward::{
    Auth, EmailAddress, Role, Store, Timestamp, UserId, create_access_token, decode_access_token,
    generate_refresh_token,
};
use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};
use doorward_axum::{JsonBody, LoginRequest};
use doorward_sqlite::{SqliteOptions, SqliteStore};

const SECRET: &str = "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP";
const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let thing = arguments.next().unwrap_or_default();
    let times: u32 = arguments.next().ok_or("instructions THING TIMES")?.parse()?;
    match thing.as_str() {
        "verify-token" => verify_token(times),
        "sign-token" => sign_token(times),
        "decide-rotation" => decide_rotation(times),
        "read-login-body" => read_login_body(times),
        "rotate-in-sqlite" => rotate_in_sqlite(times),
        "read-in-sqlite" => read_in_sqlite(times),
        "argon2id-avx2" => argon2id(Kernel::Avx2, times),
        "argon2id-portable" => argon2id(Kernel::Portable, times),
        _ => Err(format!("nothing of the name {thing:?}").into()),
    }
}

struct Tokens {
    keyring: Keyring,
    rules: AccessTokenRules,
    subject: Subject,
    now: Timestamp,
}

impl Tokens {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let keyring = Keyring::new(SecretKey::new(SECRET)?, Vec::new());
        let user_id = UserId::new(42).ok_or("not positive")?;
        let subject = Subject { user_id, role: Role::User, session: Some(SessionId::generate()?) };
        Ok(Self { keyring, rules: AccessTokenRules::default(), subject, now: START })
    }
}

fn verify_token(times: u32) -> Outcome {
    let Tokens { keyring, rules, subject, now } = Tokens::new()?;
    let token = create_access_token(subject, &keyring, &rules, now)?;
    for _ in 0..times {
        black_box(decode_access_token(black_box(token.reveal()), &keyring, &rules, now)?);
    }
    Ok(())
}

fn sign_token(times: u32) -> Outcome {
    let Tokens { keyring, rules, subject, now } = Tokens::new()?;
    for _ in 0..times {
        black_box(create_access_token(black_box(subject), &keyring, &rules, now)?);
    }
    Ok(())
}

fn decide_rotation(times: u32) -> Outcome {
    let token = generate_refresh_token()?;
    let session = Session::open(&new_session(&token)?, UserId::new(42).ok_or("not positive")?);
    let attempt = rotation(&token, &token.successor()?);
    for _ in 0..times {
        black_box(decide(black_box(&session), true, black_box(&attempt)));
    }
    Ok(())
}

/// The first prepares the statements, which the gate's difference leaves out, as a server that runs has done.
fn rotate_in_sqlite(times: u32) -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut token = generate_refresh_token()?;
    let (store, _) = with_one_session(folder.path(), &token)?;
    for _ in 0..times {
        let successor = token.successor()?;
        let rotated = pollster::block_on(store.rotate_session(rotation(&token, &successor)))?;
        assert!(matches!(rotated, Rotation::Rotated { .. }), "{rotated:?}");
        token = successor;
    }
    Ok(())
}

fn read_in_sqlite(times: u32) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (store, user) = with_one_session(folder.path(), &generate_refresh_token()?)?;
    for _ in 0..times {
        black_box(pollster::block_on(store.find_user(black_box(user)))?.ok_or("not found")?);
    }
    Ok(())
}

fn with_one_session(folder: &Path, token: &RefreshToken) -> Result<(SqliteStore, UserId), Box<dyn std::error::Error>> {
    let store = SqliteStore::open(&folder.join("doorward.db"), SqliteOptions::default())?;
    let user = NewUser {
        email: EmailAddress::parse("ada@example.com")?,
        password_hash: PasswordHash::unusable(),
        full_name: None,
        role: Role::User,
        email_verified_at: None,
        tickets: Vec::new(),
        created_at: START,
    };
    let session = new_session(token)?;
    match pollster::block_on(store.create_user(user, Some(session), Record::default()))? {
        UserCreation::Created(user) => Ok((store, user.id)),
        other => Err(format!("not made: {other:?}").into()),
    }
}

fn new_session(token: &RefreshToken) -> Result<NewSession, Box<dyn std::error::Error>> {
    Ok(NewSession {
        id: SessionId::generate()?,
        handle: token.handle(),
        current: token.hash(),
        created_at: START,
        expires_at: START.plus(RefreshRules::default().lifetime),
        device: None,
        address: None,
    })
}

fn rotation(token: &RefreshToken, successor: &RefreshToken) -> RotationAttempt {
    RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: None,
        now: START.plus(Duration::from_secs(60)),
        address: None,
        on_reuse: Record::default(),
        rules: RefreshRules::default(),
    }
}

fn read_login_body(times: u32) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keyring = Keyring::new(SecretKey::new(SECRET)?, Vec::new());
    let pool = HashingPool::start(PoolSettings::new(HashParameters::new(64, 1, 1)?))?;
    let auth = Arc::new(pollster::block_on(Auth::open(Arc::new(MemoryStore::new()), pool, keyring))?);
    runtime.block_on(async {
        for _ in 0..times {
            let body = r#"{"email":"ada@example.com","password":"correct horse battery staple"}"#;
            let request =
                Request::post("/auth/login").header("content-type", "application/json").body(Body::from(body))?;
            let read = JsonBody::<LoginRequest>::from_request(request, &auth).await;
            black_box(read.map_err(|_| "refused")?);
        }
        Ok(())
    })
}

/// 64 blocks, one pass, one lane.
fn argon2id(kernel: Kernel, times: u32) -> Outcome {
    let parameters = Parameters::new(64, 1, 1)?;
    let mut workspace = Workspace::with_memory(parameters.memory_kib())?;
    let inputs = Inputs { password: b"correct horse", salt: b"sixteen bytes...", ..Inputs::default() };
    let mut tag = [0; 32];
    for _ in 0..times {
        workspace.hash_with(kernel, black_box(&inputs), parameters, &mut tag)?;
    }
    Ok(())
}
