//! The payload in the very layout that we write, read without looking for its structure.
//!
//! Nearly every payload with a good MAC is laid out like this. One that is not, be it another signer's or one with
//! an issuer, is not refused here but read by [`super::json`], whose verdict on this layout would be the same.

use uuid::Uuid;

use super::claims::{Claims, UUID_LENGTH, parse_uuid};
use crate::role::Role;
use crate::user::UserId;

/// The most digits of which every number fits an `i64`.
const DIGITS: usize = 18;

/// The claims of a payload laid out as we write it, or `None` if it is laid out otherwise.
pub(super) fn read(payload: &[u8]) -> Option<Claims<'static>> {
    let rest = payload.strip_prefix(b"{\"sub\":\"")?;
    let (subject, rest) = integer(rest)?;
    let (role, rest) = role(rest.strip_prefix(b"\",\"role\":\"")?)?;
    let (id, rest) = uuid(rest.strip_prefix(b"\",\"jti\":\"")?)?;
    let (issued_at, rest) = integer(rest.strip_prefix(b"\",\"iat\":")?)?;
    let (expires_at, rest) = integer(rest.strip_prefix(b",\"exp\":")?)?;
    let (session, rest) = match rest.strip_prefix(b",\"sid\":\"") {
        Some(rest) => {
            let (session, rest) = uuid(rest)?;
            (Some(session), rest.strip_prefix(b"\"")?)
        }
        None => (None, rest),
    };
    (rest == b"}").then_some(Claims {
        subject: Some(UserId::new(subject)?),
        role: Some(role),
        id: Some(id),
        issued_at: Some(issued_at),
        expires_at: Some(expires_at),
        not_before: None,
        session,
        issuer: None,
        audience: None,
    })
}

/// A positive number without a leading zero.
fn integer(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0;
    let mut length = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(length) {
        if length == DIGITS {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
        length += 1;
    }
    (value > 0 && text[0] != b'0').then_some((value, &text[length..]))
}

fn role(text: &[u8]) -> Option<(Role, &[u8])> {
    Role::ALL.into_iter().find_map(|role| Some((role, text.strip_prefix(role.as_str().as_bytes())?)))
}

fn uuid(text: &[u8]) -> Option<(Uuid, &[u8])> {
    let (uuid, rest) = text.split_at_checked(UUID_LENGTH)?;
    Some((parse_uuid(uuid)?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::SessionId;
    use crate::token::access::{AccessTokenRules, Subject, claims};

    fn payload(user_id: i64, role: Role, ids: (u128, Option<u128>), seconds: i64) -> Vec<u8> {
        let session = ids.1.map(|id| SessionId::from_uuid(Uuid::from_u128(id)));
        let subject = Subject { user_id: UserId::new(user_id).unwrap(), role, session };
        let rules = AccessTokenRules::default();
        claims::write(subject, Uuid::from_u128(ids.0), &rules, Timestamp::from_seconds(seconds)).into_bytes()
    }

    #[test]
    fn what_we_write_is_read_here() {
        for session in [None, Some(7)] {
            for role in Role::ALL {
                let written = payload(42, role, (1, session), 1_700_000_000);
                assert_eq!(read(&written), Claims::parse_any(&written), "{}", String::from_utf8_lossy(&written));
                assert!(read(&written).is_some());
            }
        }
    }

    #[test]
    fn another_layout_is_left_to_the_general_reader() {
        let written = String::from_utf8(payload(42, Role::User, (1, Some(2)), 1_700_000_000)).unwrap();
        for (ours, theirs) in [
            ("{\"sub\"", "{ \"sub\""),
            ("\"42\"", "\"042\""),
            ("\"42\"", "\"1234567890123456789\""),
            ("\"42\"", "\"9223372036854775808\""),
            ("\"42\"", "\"\""),
            ("1700000000,", "0,"),
            ("\"user\"", "\"\\u0075ser\""),
            ("\"sid\"", "\"iss\""),
            ("-0000-", "-00A0-"),
            ("}", "} "),
            ("}", ",\"sub\":\"42\"}"),
        ] {
            assert!(written.contains(ours));
            assert_eq!(read(written.replacen(ours, theirs, 1).as_bytes()), None, "{theirs} for {ours}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_here_the_general_reader_reads_alike(
            user_id in 1..=i64::MAX, admin: bool, id: u128, session: Option<u128>, seconds in 0..1_i64 << 50,
            place: Index, byte: u8, change in 0..4,
        ) {
            let role = if admin { Role::Admin } else { Role::User };
            let mut payload = payload(user_id, role, (id, session), seconds);
            let place = place.index(payload.len());
            match change {
                0 => payload[place] = byte,
                1 => payload.insert(place, byte),
                2 => drop(payload.remove(place)),
                _ => {}
            }
            if let Some(claims) = read(&payload) {
                prop_assert_eq!(Some(claims), Claims::parse_any(&payload));
            }
        }
    }
}
