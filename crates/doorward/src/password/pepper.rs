//! Peppers: a secret that is not in the database and without which its hashes can't be guessed at.
//!
//! A pepper is Argon2's own secret input (RFC 9106, section 3.1: *K*). A hash names its pepper, so that one can be
//! replaced, added or given up while people go on logging in: each hash is verified with the pepper it names and made
//! anew with today's at the next login.

use std::fmt;
use std::sync::Arc;

use base64_simd::STANDARD_NO_PAD;
use hmac::Mac;

use crate::token::keyring::{SecretKey, keyed};

/// Sets the name of a pepper apart from everything else that is made of it.
const ID_LABEL: &[u8] = b"doorward password pepper id v1";
/// As many bytes as PHC strings leave for the name of a key.
const ID_BYTES: usize = 8;

/// The name of a pepper, as hashes have it. Tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PepperId([u8; ID_BYTES]);

impl PepperId {
    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        STANDARD_NO_PAD.decode_to_vec(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD_NO_PAD.encode_to_string(self.0))
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A pepper with its name.
#[derive(Clone)]
pub(super) struct Pepper {
    pub(super) id: PepperId,
    secret: Arc<SecretKey>,
}

impl Pepper {
    fn new(secret: SecretKey) -> Self {
        let name: [u8; 32] = keyed(secret.bytes()).chain_update(ID_LABEL).finalize().into_bytes().into();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&name[..ID_BYTES]);
        Self { id: PepperId(id), secret: Arc::new(secret) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.secret.bytes()
    }
}

impl PartialEq for Pepper {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Pepper {}

impl fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pepper({})", self.id)
    }
}

/// The pepper of new hashes, if there is one, and those that older hashes name.
///
/// To rotate, or to give peppers up: make the one in use a previous one, and keep it until nobody's hash names it.
/// Whose hash names a pepper that isn't here gets in no more, until it is here again or they choose a new password.
///
/// ```
/// use doorward::password::{HashParameters, HashingPool, Password, Peppers, PoolSettings};
/// use doorward::token::keyring::SecretKey;
///
/// # pollster::block_on(async {
/// let pepper = SecretKey::new("wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd")?;
/// let peppers = Peppers::new(Some(pepper), Vec::new());
/// let pool = HashingPool::start(PoolSettings { peppers, ..PoolSettings::new(HashParameters::default()) })?;
/// let password = Password::new("correct horse battery staple".to_owned())?;
/// let hash = doorward::hash_password(&pool, &password).await?;
/// assert!(hash.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4,keyid="));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Peppers {
    current: Option<Pepper>,
    previous: Vec<Pepper>,
}

impl Peppers {
    /// New hashes take `current`, or none; older ones may name `previous` ones.
    pub fn new(current: Option<SecretKey>, previous: Vec<SecretKey>) -> Self {
        Self { current: current.map(Pepper::new), previous: previous.into_iter().map(Pepper::new).collect() }
    }

    pub(super) const fn current(&self) -> Option<&Pepper> {
        self.current.as_ref()
    }

    pub(super) fn find(&self, id: PepperId) -> Option<&Pepper> {
        self.current.iter().chain(&self.previous).find(|pepper| pepper.id == id)
    }
}
