//! Names, texts and notes on their way into Hive-style SQL: each through the one type that escapes for its place.
//!
//! Athena's DDL, Hive and Spark read literals alike: a backslash escapes, a doubled quote does not.

use std::fmt::{self, Write};

/// An identifier in backticks; one inside is doubled.
pub struct Identifier<'a>(pub &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.replace('`', "``"))
    }
}

/// A string literal in single quotes. `'` and `\` get a backslash; what a terminal obeys and what a script splitter might
/// trip over (control characters, line separators, direction marks) is written `\n`, `\r`, `\t` or `\uXXXX`, and so is
/// the `$` of `${`, in whose place Hive's and Spark's shells would put a variable.
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(f, self.0, true)
    }
}

/// A literal whose `${…}` is meant: projection's `storage.location.template`.
pub struct TemplateLiteral<'a>(pub &'a str);

impl fmt::Display for TemplateLiteral<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(f, self.0, false)
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, text: &str, variables: bool) -> fmt::Result {
    f.write_char('\'')?;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() || is_obeyed(c) => write!(f, "\\u{:04x}", c as u32)?,
            '$' if variables && chars.peek() == Some(&'{') => f.write_str("\\u0024")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('\'')
}

/// Separators and marks that move the line or its direction; all below U+10000, so four hex digits hold them.
fn is_obeyed(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::ddl_in::{unquote_identifier, unquote_literal};

    #[test]
    fn a_literal_cannot_be_left() {
        assert_eq!(Literal("x') LOCATION 's3://evil/").to_string(), r"'x\') LOCATION \'s3://evil/'");
        assert_eq!(Literal(r"a\").to_string(), r"'a\\'");
        assert_eq!(Literal("a;\n-- b\u{1}\u{202e}").to_string(), r"'a;\n-- b\u0001\u202e'");
        assert_eq!(Literal("${env:HOME} $x").to_string(), r"'\u0024{env:HOME} $x'");
        assert_eq!(TemplateLiteral("s3://b/${region}/").to_string(), "'s3://b/${region}/'");
        assert_eq!(Identifier("a`b").to_string(), "`a``b`");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_was_written_is_read_back(text in r#"([\x00-\x7f]|\\PC|[\\'"`;${}%_nu0-9\u{85}\u{2028}]){0,24}"#) {
            prop_assert_eq!(unquote_literal(&Literal(&text).to_string()), Some(text.clone()));
            prop_assert_eq!(unquote_literal(&TemplateLiteral(&text).to_string()), Some(text.clone()));
            prop_assert_eq!(unquote_identifier(&Identifier(&text).to_string()), text);
        }
    }
}
