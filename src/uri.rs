//! Object URIs: scheme, bucket, key, and the places where they are shown.
//!
//! A key is exactly the text that the store holds. Nothing here decodes, trims or normalises, and neither [`Key`] nor
//! [`Uri`] has `Display`: they reach a manifest through [`Uri::write_to`], and anything else through an escaping type
//! ([`Shown`] for a terminal; the SQL, JSON and HTML ones live with their outputs).

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// Where an object lives. `gs` and `az` hold manifests only; `lakefs` is listed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    S3,
    LakeFs,
    File,
    Gs,
    Az,
}

impl Scheme {
    pub const ALL: [Scheme; 5] = [Scheme::S3, Scheme::LakeFs, Scheme::File, Scheme::Gs, Scheme::Az];

    /// `s3`, without `://`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::S3 => "s3",
            Scheme::LakeFs => "lakefs",
            Scheme::File => "file",
            Scheme::Gs => "gs",
            Scheme::Az => "az",
        }
    }

    /// The scheme called `name`, in lower case as S3 tools write it.
    pub fn parse(name: &str) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// Scheme and bucket: what stands before the slash in front of the key.
///
/// For `file` the bucket's name is empty and keys are absolute paths without their first slash; for `lakefs` the bucket
/// is the repository and keys begin with the ref.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    pub scheme: Scheme,
    pub name: String,
}

impl Bucket {
    pub fn new(scheme: Scheme, name: impl Into<String>) -> Bucket {
        Bucket { scheme, name: name.into() }
    }

    /// The bucket of local absolute paths.
    pub fn local() -> Bucket {
        Bucket::new(Scheme::File, "")
    }

    /// `s3://bucket/`: what every URI of this bucket begins with.
    pub fn uri_prefix(&self) -> String {
        format!("{}://{}/", self.scheme.name(), self.name)
    }

    /// `bucket/`: how this bucket's text begins for a template, which is matched against all that follows `scheme://`.
    pub fn match_prefix(&self) -> String {
        format!("{}/", self.name)
    }
}

/// A key: non-empty UTF-8 of at most 1,024 bytes on S3, otherwise anything (slashes anywhere, control characters, …).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    pub fn new(key: impl Into<String>) -> Key {
        Key(key.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `scheme://bucket/key`; the key may be empty, or end in `/`, where the URI names a prefix.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uri {
    pub bucket: Bucket,
    pub key: String,
}

impl Uri {
    pub fn new(bucket: Bucket, key: impl Into<String>) -> Uri {
        Uri { bucket, key: key.into() }
    }

    /// Reads `scheme://bucket/key`, byte for byte.
    ///
    /// # Errors
    /// `Usage` if there is no scheme, an unknown one, or an empty bucket where one is needed. `s3a://`, `s3n://` and
    /// capitals get a hint.
    pub fn parse(text: &str) -> Result<Uri> {
        let wrong = |why: &str| Error::new(ErrorKind::Usage, format!("{} is not an object URI: {why}", Shown(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("it has no `scheme://`").help("write it as s3://bucket/key"));
        };
        let Some(scheme) = Scheme::parse(scheme) else {
            let error = wrong(&format!("the scheme `{}` is not known", Shown(scheme)));
            let meant = match scheme.to_ascii_lowercase().as_str() {
                "s3a" | "s3n" => Some(Scheme::S3),
                lower => Scheme::parse(lower),
            };
            return Err(match meant {
                Some(meant) => error.help(format!("write {}://{}", meant.name(), Shown(rest))),
                None => error.help("the schemes are s3, lakefs, file, gs and az"),
            });
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() != (scheme == Scheme::File) {
            return Err(match scheme {
                Scheme::File => wrong("a local path is absolute").help(format!("write file:///{}", Shown(rest))),
                _ => wrong("the bucket is missing"),
            });
        }
        Ok(Uri::new(Bucket::new(scheme, bucket), key))
    }

    /// Appends the bytes of a manifest line, without its newline.
    pub fn write_to(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.bucket.uri_prefix().as_bytes());
        line.extend_from_slice(self.key.as_bytes());
    }

    /// The raw text `scheme://bucket/key`, for comparing and for outputs that escape it themselves.
    pub fn raw(&self) -> String {
        self.bucket.uri_prefix() + &self.key
    }

    /// Whether this URI, read as a prefix, covers `other`.
    pub fn is_prefix_of(&self, other: &Uri) -> bool {
        self.bucket == other.bucket && other.key.starts_with(&self.key)
    }

    /// This prefix with more of a key behind it.
    pub fn join(&self, rest: &str) -> Uri {
        Uri::new(self.bucket.clone(), format!("{}{rest}", self.key))
    }

    /// The directory beside this one that is called after it and `name`: `s3://b/taxes--0a1b2c3d/` for `--0a1b2c3d`; this
    /// one itself for no name.
    pub fn sibling(&self, name: &str) -> Uri {
        if name.is_empty() {
            return self.clone();
        }
        let stem = self.key.as_str().strip_suffix('/').unwrap_or(&self.key);
        Uri::new(self.bucket.clone(), format!("{stem}{name}/"))
    }

    pub fn shown(&self) -> String {
        Shown(&self.raw()).to_string()
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.raw())
    }
}

/// Whether [`Uri::sibling`] takes it for a name: two dashes and 8 hex digits.
pub fn is_sibling(name: &str) -> bool {
    let digits = name.strip_prefix("--").map(str::as_bytes);
    digits.is_some_and(|digits| digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Text on its way to a terminal: control characters, bidi controls and line separators are shown as `\u{…}`, so that a
/// key can neither move the cursor nor fake a line. Everything else, backslashes too, is itself.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() || is_invisible(c) => write!(f, "\\u{{{:x}}}", c as u32)?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// Line separators, zero-width and direction-changing characters: what a terminal obeys instead of showing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_keeps_every_byte_of_its_key() {
        for key in ["a//b", "/lead", "trail/", "./x", "../x", "sp ace", "%20", "a+b", "\u{1}", "é\u{2028}", ""] {
            let text = format!("s3://bucket/{key}");
            let uri = Uri::parse(&text).unwrap();
            let mut line = Vec::new();
            uri.write_to(&mut line);
            assert_eq!((uri.key.as_str(), line.as_slice()), (key, text.as_bytes()));
        }
    }

    #[test]
    fn other_schemes_are_refused_with_a_hint() {
        let error = Uri::parse("s3a://bucket/key").unwrap_err();
        assert_eq!(error.help_text(), Some("write s3://bucket/key"));
        assert_eq!(Uri::parse("S3://bucket/Key").unwrap_err().help_text(), Some("write s3://bucket/Key"));
        assert!(Uri::parse("bucket/key").is_err());
        assert!(Uri::parse("s3:///key").is_err());
        assert!(Uri::parse("file://host/key").is_err());
        assert_eq!(Uri::parse("file:///dir/key").unwrap().key, "dir/key");
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(Shown("a\u{1b}[2Jb\n\u{202e}c é").to_string(), "a\\u{1b}[2Jb\\n\\u{202e}c é");
    }
}
