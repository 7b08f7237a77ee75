//! What others' errors and addresses say, in the form in which it may be shown, and which addresses are near. Pure.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::uri::Shown;

/// Characters of a service's own words that are shown.
const MAX_WORDS: usize = 400;

/// What is percent-encoded so that no server can take it for anything else: all but what RFC 3986 leaves unreserved.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Somebody else's words, as they may be shown: not too many, without the number that the system gives an error.
pub(crate) fn words(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    Shown(&text.chars().take(MAX_WORDS).collect::<String>()).to_string()
}

/// What the innermost cause says.
pub(crate) fn deepest(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and what caused it, what an I/O error holds too.
pub(crate) fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
        Some(error)
    })
}

/// `http://host:9000` of a URL, without a user's name in it.
pub(crate) fn without_path(url: &str) -> String {
    let (scheme, host) = scheme_and_host(url);
    format!("{scheme}://{host}")
}

/// Whether a URL's host is this machine, where no proxy reaches.
pub(crate) fn is_loopback(url: &str) -> bool {
    let (_, host) = scheme_and_host(url);
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((name, _)) => name,
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn scheme_and_host(url: &str) -> (&str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    (scheme, authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn what_is_on_this_machine_needs_no_proxy() {
        for (url, near) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost/", true),
            ("http://[::1]/", true),
            ("http://user@[::1]:9000/x", true),
            ("https://10.0.0.1:9000", false),
            ("https://s3.localhost.example", false),
        ] {
            assert_eq!(is_loopback(url), near, "{url}");
        }
    }
}
