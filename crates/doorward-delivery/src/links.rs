//! Where the links in letters lead: to the address that the operator set, never to one that a request named.

use doorward::ticket::Purpose;

/// The address under which people reach the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    base: String,
}

/// The text is no address that links can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an address such as https://auth.example.com, without query and fragment")]
pub struct InvalidPublicUrl;

impl Links {
    /// Links that begin with `public_url`.
    ///
    /// # Errors
    ///
    /// [`InvalidPublicUrl`]: not `http` or `https`, with a name and password, a query or a fragment.
    pub fn new(public_url: &str) -> Result<Self, InvalidPublicUrl> {
        let uri: hyper::Uri = public_url.parse().map_err(|_| InvalidPublicUrl)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !is_web || has_user || uri.query().is_some() || public_url.contains('#') {
            return Err(InvalidPublicUrl);
        }
        Ok(Self { base: public_url.trim_end_matches('/').to_owned() })
    }

    /// Whether the links lead to this machine only: good for trying things out, and nobody else can follow them.
    pub fn lead_to_this_machine(&self) -> bool {
        let host =
            self.base.parse::<hyper::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The link for a token of that purpose. The token is base64url: nothing in it needs escaping.
    pub(crate) fn link(&self, purpose: Purpose, token: &str) -> String {
        let page = match purpose {
            Purpose::VerifyEmail => "verify-email",
            Purpose::Recover => "recover",
            Purpose::ChangeEmail => "change-email",
            Purpose::Invitation => "invitation",
            Purpose::KeepEmail => "keep-email",
        };
        format!("{}/account/{page}?token={token}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_the_address_that_was_set() {
        for base in ["https://auth.example.com", "https://auth.example.com/"] {
            let link = Links::new(base).unwrap().link(Purpose::Recover, "abc");
            assert_eq!(link, "https://auth.example.com/account/recover?token=abc");
        }
        let below = Links::new("https://example.com/id/").unwrap();
        assert_eq!(below.link(Purpose::ChangeEmail, "x"), "https://example.com/id/account/change-email?token=x");
    }

    #[test]
    fn what_links_cannot_begin_with_is_refused() {
        for text in [
            "",
            "auth.example.com",
            "/account",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://user@example.com",
            "https://example.com/?next=",
            "https://example.com/#x",
            "https://exa mple.com",
            "https://example.com\r\n",
        ] {
            assert_eq!(Links::new(text), Err(InvalidPublicUrl), "{text:?}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        let leads_here = |text| Links::new(text).unwrap().lead_to_this_machine();
        for here in ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert!(leads_here(here), "{here}");
        }
        assert!(!leads_here("https://auth.example.com") && !leads_here("http://10.0.0.1"));
    }
}
