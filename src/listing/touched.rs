//! `--touched FILE`: keys and URIs, one a line, that somebody says have changed. Hints: what they name may be gone.
//!
//! A line is a URI, a whole key (where the rules list one bucket only), or a JSON object with `uri`, or with `key` and
//! `bucket`. Nothing is trimmed or decoded.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::folder::shown;
use crate::error::{Error, ErrorKind, Result};
use crate::uri::{Bucket, Scheme, Shown, Uri};

/// The longest line taken, in bytes; a key is at most 1,024, in JSON six times that.
const MAX_LINE_BYTES: usize = 1 << 16;

/// Reads the file (`-` is standard input) and hands every URI on. `bucket` is that of keys without one.
///
/// # Errors
/// `NotFound`, `Denied`, `Io`; `Corrupt` with the line for one that names no object, `Usage` for a key whose bucket is not
/// known; of `each`.
pub fn read(path: &Path, bucket: Option<&Bucket>, each: &mut dyn FnMut(Uri) -> Result<()>) -> Result<()> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { shown(path) };
    let failed = |error| Error::io(&name, error);
    let mut source: Box<dyn BufRead> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
    };
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let most = MAX_LINE_BYTES as u64 + 2;
        if io::Read::take(&mut source, most).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let place = |error: Error| error.note(format!("line {number} of {name}"));
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if text.len() > MAX_LINE_BYTES {
            let error =
                Error::new(ErrorKind::Corrupt, format!("a line of over {MAX_LINE_BYTES} bytes names no object"));
            return Err(place(error));
        }
        if text.is_empty() {
            continue;
        }
        each(uri(text, bucket).map_err(place)?)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    bucket: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

fn uri(line: &[u8], bucket: Option<&Bucket>) -> Result<Uri> {
    let text = std::str::from_utf8(line).map_err(|_| Error::new(ErrorKind::Corrupt, "a line that is no UTF-8 text"))?;
    if !text.starts_with('{') {
        return named(text, bucket);
    }
    let corrupt = |error: serde_json::Error| {
        Error::new(ErrorKind::Corrupt, format!("a line that begins with `{{` and is no JSON: {error}"))
    };
    match serde_json::from_str(text).map_err(corrupt)? {
        Named { uri: Some(uri), .. } => Uri::parse(&uri),
        Named { bucket: Some(bucket), key: Some(key), .. } => Ok(Uri::new(Bucket::new(Scheme::S3, bucket), key)),
        Named { key: Some(key), .. } => named(&key, bucket),
        Named { key: None, .. } => {
            let error = Error::new(ErrorKind::Corrupt, "a JSON line with neither `uri` nor `key`");
            Err(error.help(r#"{"bucket":"b","key":"data/x.csv"}"#))
        }
    }
}

fn named(text: &str, bucket: Option<&Bucket>) -> Result<Uri> {
    if ["s3://", "lakefs://", "file://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Uri::parse(text);
    }
    let Some(bucket) = bucket else {
        let error = Error::new(ErrorKind::Usage, format!("`{}` is a key without its bucket", Shown(text)));
        return Err(error.help(format!("write the whole URI: s3://BUCKET/{}", Shown(text))));
    };
    Ok(Uri::new(bucket.clone(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str, bucket: Option<&str>) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("touched");
        std::fs::write(&path, text).unwrap();
        let bucket = bucket.map(|bucket| Bucket::new(Scheme::S3, bucket));
        let mut all = Vec::new();
        read(&path, bucket.as_ref(), &mut |uri| {
            all.push(uri.raw());
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn a_line_is_a_uri_a_key_or_json() {
        let text = "s3://a/x y\n\n k%20+ \n{\"uri\":\"s3://c/\\n\"}\n{\"bucket\":\"d\",\"key\":\"e/f\"}\n{\"key\":\"g\"}\nno newline";
        let all = read_all(text, Some("b")).unwrap();
        assert_eq!(all, ["s3://a/x y", "s3://b/ k%20+ ", "s3://c/\n", "s3://d/e/f", "s3://b/g", "s3://b/no newline"]);
    }

    #[test]
    fn what_names_no_object_is_an_error_with_its_line() {
        for (text, bucket, kind, line) in [
            ("s3://a/x\nkey\n", None, ErrorKind::Usage, "line 2 of"),
            ("{\"a\":1}\n", Some("b"), ErrorKind::Corrupt, "line 1 of"),
            ("{\n", Some("b"), ErrorKind::Corrupt, "line 1 of"),
        ] {
            let error = read_all(text, bucket).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(error.notes().iter().any(|note| note.starts_with(line)), "{error:?}");
        }
    }
}
