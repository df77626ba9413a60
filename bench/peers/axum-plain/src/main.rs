//! A plain axum service: `argon2` on the blocking threads, `jsonwebtoken`, sqlx on PostgreSQL.
//! `axum-plain ADDRESS DATABASE_URL`; the routes are those of Doorward's contract that the benchmark asks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm as Signature, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use tokio::sync::Semaphore;
use uuid::Uuid;

const SECRET: &[u8] = b"a secret for the benchmark and for nothing else";
const WEEK: f64 = 7.0 * 86400.0;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
    id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, password_hash text NOT NULL,
    role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
CREATE TABLE IF NOT EXISTS refresh_tokens (
    token_hash bytea PRIMARY KEY, family uuid NOT NULL, user_id bigint NOT NULL REFERENCES users (id),
    is_spent boolean NOT NULL DEFAULT false, expires_at double precision NOT NULL);
CREATE INDEX IF NOT EXISTS refresh_tokens_family ON refresh_tokens (family);";

struct Service {
    database: PgPool,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// As many hashes at once as there are cores: without it each waiting login would take 64 MiB.
    hashing: Arc<Semaphore>,
}

type Shared = State<Arc<Service>>;
type Refusal = (StatusCode, Json<Value>);

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

#[derive(Deserialize)]
struct RefreshRequest {
    refresh_token: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: String,
    jti: String,
    iat: u64,
    exp: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (address, url) = (arguments.next().ok_or("an address")?, arguments.next().ok_or("a database")?);
    let database = PgPoolOptions::new().max_connections(16).connect(&url).await?;
    sqlx::raw_sql(SCHEMA).execute(&database).await?;
    let service = Service {
        database,
        encoding: EncodingKey::from_secret(SECRET),
        decoding: DecodingKey::from_secret(SECRET),
        validation: Validation::new(Signature::HS256),
        hashing: Arc::new(Semaphore::new(std::thread::available_parallelism()?.get())),
    };
    let router = Router::new()
        .route("/auth/register", post(register))
        .route("/auth/login", post(login))
        .route("/auth/refresh", post(refresh))
        .route("/auth/me", get(me))
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .with_state(Arc::new(service));
    axum::serve(tokio::net::TcpListener::bind(address).await?, router).await?;
    Ok(())
}

async fn register(service: Shared, Json(body): Json<Credentials>) -> Result<(StatusCode, Json<Value>), Refusal> {
    let hash = hashing(&service, move |argon2| {
        let hash: Result<PasswordHash, _> = argon2.hash_password(body.password.as_bytes());
        hash.map(|hash| hash.to_string())
    })
    .await?
    .map_err(internal)?;
    let row = sqlx::query("INSERT INTO users (email, password_hash) VALUES (lower($1), $2) RETURNING id, role")
        .bind(&body.email)
        .bind(hash)
        .fetch_one(&service.database)
        .await
        .map_err(internal)?;
    Ok((StatusCode::CREATED, open_session(&service, row.get(0), row.get(1)).await?))
}

async fn login(service: Shared, Json(body): Json<Credentials>) -> Result<Json<Value>, Refusal> {
    let row = sqlx::query("SELECT id, role, password_hash FROM users WHERE email = lower($1) AND is_active")
        .bind(&body.email)
        .fetch_optional(&service.database)
        .await
        .map_err(internal)?
        .ok_or_else(unauthorized)?;
    let stored: String = row.get(2);
    let matches = hashing(&service, move |argon2| {
        PasswordHash::new(&stored).is_ok_and(|hash| argon2.verify_password(body.password.as_bytes(), &hash).is_ok())
    })
    .await?;
    if !matches {
        return Err(unauthorized());
    }
    open_session(&service, row.get(0), row.get(1)).await
}

/// Spends the token and issues its successor, in one transaction; a spent one that comes back ends its family.
async fn refresh(service: Shared, Json(body): Json<RefreshRequest>) -> Result<Json<Value>, Refusal> {
    let mut transaction = service.database.begin().await.map_err(internal)?;
    let row = sqlx::query(
        "SELECT t.family, t.is_spent, t.expires_at, u.id, u.role FROM refresh_tokens t
         JOIN users u ON u.id = t.user_id WHERE t.token_hash = $1 AND u.is_active FOR UPDATE OF t",
    )
    .bind(digest(&body.refresh_token))
    .fetch_optional(&mut *transaction)
    .await
    .map_err(internal)?
    .ok_or_else(unauthorized)?;
    let family: Uuid = row.get(0);
    if row.get::<bool, _>(1) {
        sqlx::query("DELETE FROM refresh_tokens WHERE family = $1")
            .bind(family)
            .execute(&mut *transaction)
            .await
            .map_err(internal)?;
        transaction.commit().await.map_err(internal)?;
        return Err(unauthorized());
    }
    if row.get::<f64, _>(2) < now() as f64 {
        return Err(unauthorized());
    }
    let token = new_token();
    sqlx::query("UPDATE refresh_tokens SET is_spent = true WHERE token_hash = $1")
        .bind(digest(&body.refresh_token))
        .execute(&mut *transaction)
        .await
        .map_err(internal)?;
    sqlx::query("INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(digest(&token))
        .bind(family)
        .bind(row.get::<i64, _>(3))
        .bind(now() as f64 + WEEK)
        .execute(&mut *transaction)
        .await
        .map_err(internal)?;
    transaction.commit().await.map_err(internal)?;
    pair(&service, row.get(3), row.get(4), &token)
}

async fn me(service: Shared, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(unauthorized)?;
    let claims = decode::<Claims>(token, &service.decoding, &service.validation).map_err(|_| unauthorized())?.claims;
    let id: i64 = claims.sub.parse().map_err(|_| unauthorized())?;
    let row = sqlx::query("SELECT id, email, role FROM users WHERE id = $1 AND is_active")
        .bind(id)
        .fetch_optional(&service.database)
        .await
        .map_err(internal)?
        .ok_or_else(unauthorized)?;
    let (id, email, role): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    Ok(Json(json!({ "id": id, "email": email, "role": role })))
}

async fn open_session(service: &Service, id: i64, role: String) -> Result<Json<Value>, Refusal> {
    let token = new_token();
    sqlx::query(
        "INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at) VALUES ($1, gen_random_uuid(), $2, $3)",
    )
    .bind(digest(&token))
    .bind(id)
    .bind(now() as f64 + WEEK)
    .execute(&service.database)
    .await
    .map_err(internal)?;
    pair(service, id, role, &token)
}

fn pair(service: &Service, id: i64, role: String, refresh: &str) -> Result<Json<Value>, Refusal> {
    let (iat, jti) = (now(), Uuid::new_v4().to_string());
    let claims = Claims { sub: id.to_string(), role, jti, iat, exp: iat + 900 };
    let access = encode(&Header::new(Signature::HS256), &claims, &service.encoding).map_err(internal)?;
    Ok(Json(json!({
        "access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": 900
    })))
}

async fn hashing<T: Send + 'static>(
    service: &Service,
    work: impl FnOnce(Argon2<'static>) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let permit = Arc::clone(&service.hashing).acquire_owned().await.map_err(internal)?;
    let params = Params::new(65536, 3, 4, None).map_err(internal)?;
    let hashed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    });
    hashed.await.map_err(internal)
}

fn new_token() -> String {
    let mut bytes = [0; 64];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn unauthorized() -> Refusal {
    (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Not authenticated" })))
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    eprintln!("{error}");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "detail": "Internal server error" })))
}
