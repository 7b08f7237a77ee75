//! XML as far as S3's answers need it: elements, text, entities, CDATA; read forwards, borrowed from the body. Pure.
//!
//! No validation beyond what keeps a reader from mistaking one thing for another: tags must match, and what is not
//! understood is an error. Text is taken as it is written, line ends and characters that XML forbids too, for some
//! servers write keys that way.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

/// Why a document is not read, with the byte at which that shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A start tag that has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// As written, with its namespace's prefix.
    tag: &'a str,
    /// `<Prefix/>`
    is_empty: bool,
}

impl<'a> Element<'a> {
    /// Without the namespace's prefix.
    pub fn name(&self) -> &'a str {
        match memchr(b':', self.tag.as_bytes()) {
            Some(colon) => &self.tag[colon + 1..],
            None => self.tag,
        }
    }
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Result<Reader<'a>, Malformed> {
        let text =
            std::str::from_utf8(body).map_err(|error| Malformed { what: "no UTF-8", at: error.valid_up_to() })?;
        Ok(Reader { at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }, text })
    }

    /// The document's one element.
    pub fn root(&mut self) -> Result<Element<'a>, Malformed> {
        self.blank()?;
        if !self.rest().starts_with('<') {
            return Err(self.malformed("no XML"));
        }
        self.start_tag()
    }

    /// The next element inside `parent`; `None` once its end tag has been read.
    pub fn child(&mut self, parent: Element<'a>) -> Result<Option<Element<'a>>, Malformed> {
        if parent.is_empty {
            return Ok(None);
        }
        self.blank()?;
        if self.rest().starts_with("</") {
            return self.end_tag(parent.tag).map(|()| None);
        }
        match self.rest().as_bytes().first() {
            Some(b'<') => self.start_tag().map(Some),
            Some(_) => Err(self.malformed("text among elements")),
            None => Err(self.malformed("it breaks off")),
        }
    }

    /// The text of an element that holds nothing else, to its end tag.
    pub fn text(&mut self, element: Element<'a>) -> Result<Cow<'a, str>, Malformed> {
        if element.is_empty {
            return Ok(Cow::Borrowed(""));
        }
        let start = self.at;
        self.at += memchr2(b'<', b'&', self.rest().as_bytes()).ok_or_else(|| self.malformed("it breaks off"))?;
        let plain = &self.text[start..self.at];
        if self.rest().starts_with("</") {
            return self.end_tag(element.tag).map(|()| Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.rest().starts_with("</") {
                return self.end_tag(element.tag).map(|()| Cow::Owned(text));
            }
            if self.skip_if("<![CDATA[") {
                text.push_str(self.until("]]>")?);
            } else if self.skip_if("&") {
                text.push(self.reference()?);
            } else if self.skip_remark()? {
            } else if self.rest().starts_with('<') {
                return Err(self.malformed("an element inside text"));
            } else {
                let length = memchr2(b'<', b'&', self.rest().as_bytes());
                let length = length.ok_or_else(|| self.malformed("it breaks off"))?;
                text.push_str(&self.rest()[..length]);
                self.at += length;
            }
        }
    }

    /// Leaves `element` out, to its end tag.
    pub fn skip(&mut self, element: Element<'a>) -> Result<(), Malformed> {
        let mut open = vec![element];
        while let Some(inner) = open.last() {
            if inner.is_empty {
                open.pop();
                continue;
            }
            self.at += memchr2(b'<', b'&', self.rest().as_bytes()).ok_or_else(|| self.malformed("it breaks off"))?;
            if self.skip_if("&") {
                self.reference()?;
            } else if self.rest().starts_with("</") {
                self.end_tag(inner.tag)?;
                open.pop();
            } else if self.skip_if("<![CDATA[") {
                self.until("]]>")?;
            } else if !self.skip_remark()? {
                open.push(self.start_tag()?);
            }
        }
        Ok(())
    }

    /// That nothing follows the root.
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.blank()?;
        if self.rest().is_empty() { Ok(()) } else { Err(self.malformed("something behind its end")) }
    }

    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    /// What is left to read.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes on where `rest`, a part of what is left up to its end, begins.
    pub fn skip_to(&mut self, rest: &'a str) {
        self.at = self.text.len() - rest.len();
    }

    /// White space, comments and processing instructions.
    fn blank(&mut self) -> Result<(), Malformed> {
        loop {
            self.space();
            if !self.skip_remark()? {
                return Ok(());
            }
        }
    }

    /// A comment or a processing instruction, if one is next.
    fn skip_remark(&mut self) -> Result<bool, Malformed> {
        if self.skip_if("<!--") {
            return self.until("-->").map(|_| true);
        }
        if self.skip_if("<?") {
            self.name()?;
            return self.until("?>").map(|_| true);
        }
        Ok(false)
    }

    fn start_tag(&mut self) -> Result<Element<'a>, Malformed> {
        self.at += 1;
        let tag = self.name()?;
        loop {
            let before = self.at;
            self.space();
            if self.skip_if(">") {
                return Ok(Element { tag, is_empty: false });
            }
            if self.skip_if("/>") {
                return Ok(Element { tag, is_empty: true });
            }
            if self.at == before {
                return Err(self.malformed("no tag"));
            }
            self.attribute()?;
        }
    }

    /// Reads over an attribute: none counts here, but what stands in its quotes is no markup.
    fn attribute(&mut self) -> Result<(), Malformed> {
        self.name()?;
        self.space();
        if !self.skip_if("=") {
            return Err(self.malformed("an attribute without a value"));
        }
        self.space();
        let quote = ["\"", "'"].into_iter().find(|quote| self.rest().starts_with(quote));
        let quote = quote.ok_or_else(|| self.malformed("an attribute without quotes"))?;
        self.at += quote.len();
        let value = self.until(quote)?;
        if value.contains('<') { Err(self.malformed("a tag inside a tag")) } else { Ok(()) }
    }

    /// The name of an element or an attribute.
    fn name(&mut self) -> Result<&'a str, Malformed> {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"<>/='\"&!?[]".contains(byte);
        let length = self.rest().bytes().position(|byte| ends(&byte)).unwrap_or(0);
        if length == 0 {
            return Err(self.malformed("no tag"));
        }
        let name = &self.rest()[..length];
        self.at += length;
        Ok(name)
    }

    fn space(&mut self) {
        let bytes = self.rest().as_bytes();
        self.at += bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    }

    fn end_tag(&mut self, tag: &str) -> Result<(), Malformed> {
        self.at += "</".len();
        if !self.skip_if(tag) {
            return Err(self.malformed("an end tag that closes nothing"));
        }
        self.space();
        if self.skip_if(">") { Ok(()) } else { Err(self.malformed("an end tag that closes nothing")) }
    }

    /// The character that `&…;` stands for; the `&` has been read.
    fn reference(&mut self) -> Result<char, Malformed> {
        let name = self.until(";")?;
        let number = |digits: &str, radix| {
            let is_number = !digits.is_empty() && digits.bytes().all(|digit| (digit as char).is_digit(radix));
            let code = is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten();
            code.filter(|code| *code != 0).and_then(char::from_u32)
        };
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix("#x") {
                Some(digits) => number(digits, 16),
                None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
            },
        };
        character.ok_or_else(|| self.malformed("an entity that XML does not have"))
    }

    /// What stands before `end`, which is read too.
    fn until(&mut self, end: &str) -> Result<&'a str, Malformed> {
        let rest = self.rest();
        let length = memmem::find(rest.as_bytes(), end.as_bytes()).ok_or_else(|| self.malformed("it breaks off"))?;
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    fn skip_if(&mut self, text: &str) -> bool {
        let is_next = self.rest().as_bytes().starts_with(text.as_bytes());
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
