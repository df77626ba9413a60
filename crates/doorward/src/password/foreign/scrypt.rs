//! scrypt (RFC 7914): the PHC string that passlib writes too, Django's `scrypt$` and Werkzeug's `scrypt:`.

use scrypt::{Params, scrypt};

use crate::password::argon2id::EngineError;
use crate::password::parameters::MAX_MEMORY_KIB;
use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "scrypt";

/// The most memory that is filled for one hash, lane after lane, in KiB.
const MAX_WORK_KIB: u64 = 4 * MAX_MEMORY_KIB as u64;

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Scrypt {
    params: Params,
    memory_kib: u32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

/// The most lanes of one hash.
const MAX_LANES: u32 = 64;

/// What is spelled in a string: log₂ N, r, p, salt, tag.
type Parts = (u32, u32, u32, Vec<u8>, Vec<u8>);

pub(super) fn is_meant(text: &str) -> bool {
    ["$scrypt$", "scrypt$", "scrypt:"].iter().any(|start| text.starts_with(start))
}

impl Scrypt {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let parts = if let Some(rest) = text.strip_prefix("$scrypt$") {
            take_apart(rest)
        } else if let Some(rest) = text.strip_prefix("scrypt$") {
            take_apart_django(rest)
        } else {
            text.strip_prefix("scrypt:").and_then(take_apart_werkzeug)
        };
        let (log_n, r, p, salt, tag) = parts.ok_or(UnreadableHash::Malformed(NAME))?;
        let memory_kib = affordable_memory(log_n, r, p).ok_or(UnreadableHash::TooExpensive {
            algorithm: NAME,
            limit: "1 GiB of memory, 4 GiB filled in all, 64 lanes",
        })?;
        let params = u8::try_from(log_n).ok().and_then(|log_n| Params::new(log_n, r, p).ok());
        Ok(Self { params: params.ok_or(UnreadableHash::Malformed(NAME))?, memory_kib, salt, tag })
    }

    pub(super) const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// In memory of its own, not the thread's.
    pub(super) fn compute(&self, password: &[u8]) -> Result<Vec<u8>, EngineError> {
        let mut tag = vec![0; self.tag.len()];
        scrypt(password, &self.salt, &self.params, &mut tag).map_err(|_| EngineError)?;
        Ok(tag)
    }
}

/// The memory in KiB, if it is within the limits: N blocks of 128 r bytes, filled p times, and p blocks besides.
fn affordable_memory(log_n: u32, r: u32, p: u32) -> Option<u32> {
    let blocks = 1_u64.checked_shl(log_n)?.checked_add(p.into())?;
    let memory_kib = blocks.checked_mul(r.into())?.div_ceil(8);
    let is_affordable = p <= MAX_LANES && memory_kib.checked_mul(p.into())? <= MAX_WORK_KIB;
    u32::try_from(memory_kib).ok().filter(|memory| is_affordable && *memory <= MAX_MEMORY_KIB)
}

/// `ln=16,r=8,p=1$SALT$TAG`.
fn take_apart(text: &str) -> Option<Parts> {
    let mut parts = text.split('$');
    let (parameters, salt, tag) = (parts.next()?, parts.next()?, parts.next()?);
    let mut fields = parameters.split(',');
    let mut field = |name: &str| super::number(fields.next()?.strip_prefix(name)?).filter(|value| *value > 0);
    let (log_n, r, p) = (field("ln=")?, field("r=")?, field("p=")?);
    if parts.next().is_some() || fields.next().is_some() {
        return None;
    }
    Some((log_n, r, p, super::salt(super::unpadded(salt)?)?, super::tag(super::unpadded(tag)?)?))
}

/// `N$SALT$r$p$TAG`, the salt as it is spelled.
fn take_apart_django(text: &str) -> Option<Parts> {
    let parts: Vec<_> = text.split('$').collect();
    let [n, salt, r, p, tag] = parts[..] else { return None };
    let (r, p) = (super::number(r).filter(|r| *r > 0)?, super::number(p).filter(|p| *p > 0)?);
    Some((log2(n)?, r, p, super::spelled_salt(salt)?, super::tag(super::padded(tag)?)?))
}

/// `N:r:p$SALT$TAG`, the salt as it is spelled, the tag in hexadecimal.
fn take_apart_werkzeug(text: &str) -> Option<Parts> {
    let parts: Vec<_> = text.split('$').collect();
    let [parameters, salt, tag] = parts[..] else { return None };
    let parameters: Vec<_> = parameters.split(':').collect();
    let [n, r, p] = parameters[..] else { return None };
    let (r, p) = (super::number(r).filter(|r| *r > 0)?, super::number(p).filter(|p| *p > 0)?);
    Some((log2(n)?, r, p, super::spelled_salt(salt)?, super::tag(super::hexadecimal(tag)?)?))
}

/// The logarithm of a power of two above one.
fn log2(text: &str) -> Option<u32> {
    let n = super::number(text)?;
    (n > 1 && n.is_power_of_two()).then(|| n.ilog2())
}
