//! Answers written in every way that XML has, read by us and by quick-xml; and answers that were cut or spoilt.

use proptest::prelude::*;
use quick_xml::events::{BytesRef, Event};

use super::*;

/// A page as text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    objects: Vec<SeenObject>,
    next: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct SeenObject {
    key: String,
    size: Option<u64>,
    modified: Option<i64>,
    storage_class: Option<String>,
    etag: Option<String>,
}

fn ours(body: &[u8]) -> Result<Seen, Unreadable> {
    let bucket = Bucket::new(crate::uri::Scheme::S3, "bucket");
    let Answer::Listed(listed) = read(&bucket, body)? else { return Err(Unreadable("refused".into())) };
    let seen = |object: Object<'_>| SeenObject {
        key: object.key.to_owned(),
        size: object.size,
        modified: object.modified,
        storage_class: object.storage_class.map(str::to_owned),
        etag: object.etag.map(str::to_owned),
    };
    Ok(Seen { objects: listed.page.objects().map(seen).collect(), next: listed.next })
}

/// The same by quick-xml; `None` for what is not well-formed, or no whole listing.
fn theirs(body: &[u8]) -> Option<Seen> {
    let root = Node::parse(body)?;
    let mut seen = Seen::default();
    let is_encoded = root.all("EncodingType").next().is_some_and(|node| node.text.trim() == "url");
    for contents in root.all("Contents") {
        let filled = |name| contents.last(name).filter(|text| !text.is_empty());
        let key = filled("Key")?;
        seen.objects.push(SeenObject {
            key: if is_encoded { form_decoded(&key)? } else { key },
            size: filled("Size").map(|text| text.trim().parse().unwrap()),
            modified: filled("LastModified").map(|text| text.trim().parse::<jiff::Timestamp>().unwrap().as_second()),
            storage_class: filled("StorageClass"),
            etag: filled("ETag").map(|text| without_quotes(text.trim()).to_owned()).filter(|text| !text.is_empty()),
        });
    }
    if root.last("IsTruncated")?.trim().eq_ignore_ascii_case("true") {
        seen.next = Some(root.last("NextContinuationToken")?);
    }
    Some(seen)
}

/// An element as quick-xml reads it.
#[derive(Debug, Default)]
struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn parse(body: &[u8]) -> Option<Node> {
        let mut reader = quick_xml::Reader::from_reader(body);
        let mut open = vec![Node::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let name = String::from_utf8(tag.local_name().as_ref().to_vec()).ok()?;
                    open.push(Node { name, ..Node::default() });
                }
                Event::Empty(tag) => {
                    let name = String::from_utf8(tag.local_name().as_ref().to_vec()).ok()?;
                    open.last_mut()?.children.push(Node { name, ..Node::default() });
                }
                Event::End(_) => {
                    let closed = open.pop()?;
                    open.last_mut()?.children.push(closed);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::GeneralRef(entity) => open.last_mut()?.text.push(character_of(&entity)?),
                Event::Eof => break,
                Event::DocType(_) => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        let [document] = <[Node; 1]>::try_from(open).ok()?;
        let [root] = <[Node; 1]>::try_from(document.children).ok()?;
        (root.name == "ListBucketResult").then_some(root)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn last(&self, name: &str) -> Option<String> {
        self.all(name).last().map(|child| child.text.clone())
    }
}

fn character_of(entity: &BytesRef<'_>) -> Option<char> {
    let named = || quick_xml::escape::resolve_xml_entity(&entity.decode().ok()?)?.chars().next();
    entity.resolve_char_ref().ok()?.or_else(named)
}

fn without_quotes(text: &str) -> &str {
    if text.len() > 1 && text.starts_with('"') && text.ends_with('"') { &text[1..text.len() - 1] } else { text }
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let mut bytes = Vec::new();
    let mut rest = spaced.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| [rest.next(), rest.next()]);
        bytes.push(match escaped {
            None => byte,
            Some(digits) => {
                let digits = String::from_utf8(digits.into_iter().flatten().collect()).ok()?;
                u8::from_str_radix(&digits, 16).ok()?
            }
        });
    }
    String::from_utf8(bytes).ok()
}

/// A page and one way of many to write it down.
fn written() -> impl Strategy<Value = (Seen, String)> {
    let object = (
        key(),
        any::<Option<u64>>(),
        proptest::option::of(0..253_402_300_800_i64),
        proptest::option::of("[A-Z_]{1,9}"),
        proptest::option::of("[0-9a-f]{1,32}(-[0-9]{1,3})?"),
    );
    let object = object.prop_map(|(key, size, modified, storage_class, etag)| SeenObject {
        key,
        size,
        modified,
        storage_class,
        etag,
    });
    let seen = (proptest::collection::vec(object, 0..5), proptest::option::of("[!-~]{1,20}"));
    let seen = seen.prop_map(|(objects, next)| Seen { objects, next });
    (seen, any::<bool>(), any::<u64>())
        .prop_map(|(seen, is_encoded, seed)| (seen.clone(), Writer::new(seed, is_encoded).listing(&seen)))
}

/// Keys of everything that XML can say, and of what it cannot but servers write.
fn key() -> impl Strategy<Value = String> {
    let characters = "[a-c/=.+% <>&\"'\\]\\-!\\t\\n\\r\u{1}\u{7f}\u{85}é\u{2028}😀\u{fffd}]{1,12}";
    prop_oneof![characters, "\\PC{1,20}", Just("dt=2024-01-01/part-0000.csv".to_owned())]
}

/// Writes XML, taking one turn or another wherever XML leaves the choice.
struct Writer {
    state: u64,
    is_encoded: bool,
    prefix: &'static str,
}

impl Writer {
    fn new(seed: u64, is_encoded: bool) -> Writer {
        let mut writer = Writer { state: seed | 1, is_encoded, prefix: "" };
        writer.prefix = if writer.turn(8) == 0 { "s3:" } else { "" };
        writer
    }

    fn turn(&mut self, choices: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % choices
    }

    fn listing(&mut self, seen: &Seen) -> String {
        let mut parts: Vec<String> = seen.objects.iter().map(|object| self.object(object)).collect();
        let mut extras = vec![self.element("IsTruncated", if seen.next.is_some() { "true" } else { "false" })];
        extras.extend(seen.next.as_ref().map(|token| self.element("NextContinuationToken", token)));
        extras.extend(self.is_encoded.then(|| self.element("EncodingType", "url")));
        extras.push(self.element("Name", "bucket"));
        extras.push(self.nested("CommonPrefixes", &["<Prefix>a</Prefix>".into()]));
        for extra in extras {
            let at = self.turn(parts.len() as u64 + 1) as usize;
            parts.insert(at, extra);
        }
        let declared = ["", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "\u{feff}<?xml version='1.0'?>\n"];
        let declared = declared[self.turn(3) as usize];
        format!("{declared}{}{}{}", self.blank(), self.nested("ListBucketResult", &parts), self.blank())
    }

    fn object(&mut self, object: &SeenObject) -> String {
        let key = if self.is_encoded { form_encoded(&object.key) } else { object.key.clone() };
        let mut parts = vec![self.element("Key", &key)];
        parts.extend(object.size.map(|size| self.element("Size", &size.to_string())));
        parts.extend(object.modified.map(|seconds| {
            let time = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            let time = if self.turn(2) == 0 { time } else { time.replace('Z', ".000Z") };
            self.element("LastModified", &time)
        }));
        parts.extend(object.storage_class.as_ref().map(|class| self.element("StorageClass", class)));
        parts.extend(object.etag.as_ref().map(|etag| {
            let quoted = if self.turn(4) == 0 { etag.clone() } else { format!("\"{etag}\"") };
            self.element("ETag", &quoted)
        }));
        // What looks like an object's own, one level below it.
        parts.push(self.nested("Owner", &["<Key>no</Key><ID>1</ID><Size>x</Size><DisplayName/>".into()]));
        for index in (1..parts.len()).rev() {
            let other = self.turn(index as u64 + 1) as usize;
            parts.swap(index, other);
        }
        self.nested("Contents", &parts)
    }

    fn nested(&mut self, name: &str, parts: &[String]) -> String {
        let inner: Vec<String> = parts.iter().map(|part| self.blank() + part).collect();
        let (prefix, attribute, blank) = (self.prefix, self.attribute(), self.blank());
        format!("<{prefix}{name}{attribute}>{}{blank}</{prefix}{name}>", inner.concat())
    }

    fn element(&mut self, name: &str, text: &str) -> String {
        let (prefix, attribute) = (self.prefix, self.attribute());
        let space = if self.turn(5) == 0 { "\n" } else { "" };
        format!("<{prefix}{name}{attribute}>{}</{prefix}{name}{space}>", self.text(text))
    }

    fn attribute(&mut self) -> &'static str {
        ["", "", "", " a=\"1\"", " a='x>y/' ", "\n b = \"/Key>\"", " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""]
            [self.turn(7) as usize]
    }

    fn blank(&mut self) -> String {
        ["", "", "", "", "\n  ", "<!-- <Key>no</Key> -->", "<?pi <Key> ?>"][self.turn(7) as usize].into()
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        for character in text.chars() {
            let is_special = "<&>\"'\r".contains(character);
            match self.turn(if is_special { 4 } else { 12 }) {
                0 => out.push_str(&format!("&#{};", character as u32)),
                1 => out.push_str(&format!("&#x{:X};", character as u32)),
                2 if character != '>' && character != ']' => out.push_str(&format!("<![CDATA[{character}]]>")),
                3 if out.is_empty() => out.push_str(&format!("<!-- & -->{}", named(character))),
                _ => out.push_str(&named(character)),
            }
        }
        out
    }
}

fn named(character: char) -> String {
    match character {
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        '"' => "&quot;".into(),
        '\'' => "&apos;".into(),
        other => other.into(),
    }
}

fn form_encoded(key: &str) -> String {
    let encoded = key.bytes().map(|byte| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.*/".contains(&byte) => (byte as char).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_is_read_however_it_is_written((seen, text) in written()) {
        prop_assert_eq!(ours(text.as_bytes()), Ok(seen.clone()), "{}", text);
        prop_assert_eq!(theirs(text.as_bytes()), Some(seen), "{}", text);
    }

    /// What was cut or spoilt is an error, or reads the same to both.
    #[test]
    fn what_is_spoilt_is_no_shorter_page(
        (_, text) in written(),
        at in any::<prop::sample::Index>(),
        length in 0..40_usize,
        put in prop_oneof![Just(String::new()), "[<>/&;\"'=! \\-\\]\\[?xKC]{1,3}"],
    ) {
        let mut body = text.into_bytes();
        let start = at.index(body.len() + 1);
        let end = (start + length).min(body.len());
        body.splice(start..end, put.into_bytes());
        if let Ok(seen) = ours(&body) {
            prop_assert_eq!(Some(seen), theirs(&body), "{}", String::from_utf8_lossy(&body));
        }
    }
}

#[test]
fn times_are_read_in_the_usual_form_and_others() {
    for (text, expected) in [
        ("1970-01-01T00:00:00.000Z", Ok(0)),
        ("2024-02-29T23:59:59.999Z", Ok(1_709_251_199)),
        ("2024-03-01T00:00:00Z", Ok(1_709_251_200)),
        ("2000-02-29T00:00:00Z", Ok(951_782_400)),
        ("1900-03-01T00:00:00.000Z", Ok(-2_203_891_200)),
        ("9999-12-31T23:59:59.000Z", Ok(253_402_300_799)),
        ("2024-02-29T23:59:59.123456Z", Ok(1_709_251_199)),
        ("2024-02-29T23:59:59+01:00", Ok(1_709_247_599)),
        ("2023-02-29T00:00:00.000Z", Err(())),
        ("2024-13-01T00:00:00.000Z", Err(())),
        ("yesterday", Err(())),
        ("", Err(())),
    ] {
        assert_eq!(seconds(text).map_err(|_| ()), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn the_usual_form_means_what_a_calendar_says(seconds in 0..253_402_300_800_i64) {
        let text = format!("{:.3}", jiff::Timestamp::from_second(seconds).unwrap());
        let usual = usual_seconds(text.as_bytes());
        prop_assert!(usual == Some(seconds) || usual.is_none() && text.contains("-02-29T"), "{text}");
    }
}
