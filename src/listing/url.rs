//! The url-encoding of keys in S3's answers (`encoding-type=url`): form encoding, where `+` is a space. Pure.

use std::borrow::Cow;

/// The key that `text` encodes; `None` if a `%` is malformed or the bytes are no UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    decode_into(text.as_bytes(), &mut out)?;
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Appends the bytes that `text` encodes; `None` if a `%` is malformed, and then what was appended means nothing.
pub(crate) fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |at: usize| text.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut rest = 0;
    for at in memchr::memchr2_iter(b'%', b'+', text) {
        out.extend_from_slice(&text[rest..at]);
        rest = at + 1;
        if text[at] == b'+' {
            out.push(b' ');
        } else {
            out.push((digit(at + 1)? * 16 + digit(at + 2)?) as u8);
            rest = at + 3;
        }
    }
    out.extend_from_slice(&text[rest..]);
    Some(())
}

/// Whether `text` may be an encoded key: only what the encoding leaves standing, `+`, and well-formed escapes.
pub(crate) fn is_encoded(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*/+%~!'()".contains(&byte);
    text.bytes().all(plain) && decode(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_servers_encode_them() {
        for (encoded, key) in [
            ("sp+ace", "sp ace"),
            ("ctl%01x", "ctl\u{1}x"),
            ("ti%7Elde", "ti~lde"),
            ("k%3Dv/f", "k=v/f"),
            ("%C3%A9%f0%9f%98%80", "é😀"),
            ("a%2Bb%2520", "a+b%20"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(decode(encoded).as_deref(), Some(key));
            assert!(is_encoded(encoded));
        }
        for malformed in ["a%", "a%2", "a%zz", "%ff", "%+1"] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
        assert!(!is_encoded("sp ace") && !is_encoded("k=v") && !is_encoded("é"));
    }
}
