//! The one regular expression that a template means, and the checks of `re(…)`.
//!
//! The expression is in the syntax of the crate `fancy-regex` (look-around, back-references). Nothing in the program
//! matches keys with it: it is what the tests hold the program against, and what people are shown.

use std::ops::Range;

use regex_syntax::ast::{self, AssertionKind, Ast, ErrorKind, GroupKind as AstGroup};

use regex_syntax::hir::{Class as HirClass, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use super::{CaptureKind, Class, Piece, PieceKind, Template, TemplateError};
use crate::rules::date::{DateForm, DatePart, Field};

/// The guard: what begins a component here is not `.…`, nor `_…` without a `=` later in the component.
const G: &str = r"(?:(?<!/)|(?!\.|_(?![^/]*=)))";

/// An expression that matches everything behind `scheme://` from end to end, and what its groups are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateExpression {
    pub text: String,
    /// The group with number 1 first.
    pub groups: Vec<Group>,
}

/// One numbered group. The values of a match: per name the text of the group that took part, or, for a date, all its
/// groups' pieces put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `None` for `{_:date(…)}`, `{_:epoch}` and `{_:hive}`, whose value must be one but is not kept.
    pub name: Option<String>,
    /// The capture it belongs to, counted from 0 in the order of the text: an unnamed date's groups share it.
    pub capture: usize,
    pub kind: GroupKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// The value as it stands; empty is NULL.
    Text,
    /// To be percent-unescaped; `__HIVE_DEFAULT_PARTITION__` is NULL.
    Hive,
    /// One field of a date.
    Field(Field),
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    EpochMs,
}

impl Template {
    /// The expression this template means. Under `ignore_case` everything the user wrote behind the bucket is matched in
    /// any case (Unicode's simple folding).
    pub fn expression(&self, ignore_case: bool) -> TemplateExpression {
        let mut writer = Writer { text: "^".to_owned(), groups: Vec::new(), captures: 0, ignore_case };
        writer.sequence(&self.pieces, true);
        writer.text.push('$');
        TemplateExpression { text: writer.text, groups: writer.groups }
    }

    /// A `re(…)`'s expression with `/` taken out of its `.` and every class, in the syntax of the crate `regex`.
    pub fn re_without_slash(expression: &str) -> String {
        without_slash(expression)
    }
}

struct Writer {
    text: String,
    groups: Vec<Group>,
    captures: usize,
    ignore_case: bool,
}

impl Writer {
    /// Writes pieces one after the other; says whether the bucket has not ended behind them.
    fn sequence(&mut self, pieces: &[Piece], mut in_bucket: bool) -> bool {
        for piece in pieces {
            match &piece.kind {
                PieceKind::Text(text) => {
                    let bucket = if in_bucket { text.find('/').unwrap_or(text.len()) } else { 0 };
                    self.text += &regex_syntax::escape(&text[..bucket]);
                    self.literal(&text[bucket..]);
                    in_bucket &= bucket == text.len();
                }
                PieceKind::Star => self.text += &format!("{G}[^/]*?"),
                PieceKind::AnyChar => self.text += &format!("{G}[^/]"),
                PieceKind::Class(class) => {
                    let class = class_expression(class);
                    self.text += G;
                    self.folded(&class);
                }
                PieceKind::Directories => self.text += &format!("(?:{G}[^/]*/)*"),
                PieceKind::Below => self.text += &format!("(?:{G}[^/]*/)*{G}[^/]*"),
                PieceKind::Alternatives(branches) => in_bucket = self.alternatives(branches, in_bucket),
                PieceKind::Capture { name, kind } => self.capture(name.as_deref(), kind, in_bucket),
                PieceKind::Repeat(name) => self.repeat(name),
            }
        }
        in_bucket
    }

    fn alternatives(&mut self, branches: &[Vec<Piece>], in_bucket: bool) -> bool {
        let mut still_in_bucket = in_bucket;
        for (i, branch) in branches.iter().enumerate() {
            self.text += if i == 0 { "(?:" } else { "|" };
            still_in_bucket = self.sequence(branch, in_bucket);
        }
        self.text.push(')');
        still_in_bucket
    }

    /// Text as it stands, or in any case.
    fn literal(&mut self, text: &str) {
        if text.chars().any(char::is_alphabetic) {
            self.folded(&regex_syntax::escape(text));
        } else {
            self.text += &regex_syntax::escape(text);
        }
    }

    fn folded(&mut self, expression: &str) {
        if self.ignore_case {
            self.text += &format!("(?i:{expression})");
        } else {
            self.text += expression;
        }
    }

    fn capture(&mut self, name: Option<&str>, kind: &CaptureKind, in_bucket: bool) {
        let (open, group) = match name {
            Some(_) => ("(", GroupKind::Text),
            None => ("(?:", GroupKind::Text),
        };
        let kept = |kind| name.is_some().then_some(kind);
        match kind {
            CaptureKind::Date(form) => self.date(name, form),
            CaptureKind::Epoch => self.group(name, Some(GroupKind::Epoch), "([0-9]{9,10})"),
            CaptureKind::EpochMs => self.group(name, Some(GroupKind::EpochMs), "([0-9]{12,13})"),
            CaptureKind::Plain => self.group(name, kept(group), &format!("{G}{open}[^/]+?)")),
            CaptureKind::Int => self.group(name, kept(group), &format!("{open}[0-9]+)")),
            CaptureKind::IntOf(digits) => self.group(name, kept(group), &format!("{open}[0-9]{{{digits}}})")),
            CaptureKind::Path => self.group(name, kept(group), &format!("{G}{open}(?:{G}[^/]+/)*?{G}[^/]+)")),
            CaptureKind::Hive => {
                let guard = format!("(?:(?=__HIVE_DEFAULT_PARTITION__)|{G})");
                self.group(name, Some(GroupKind::Hive), &format!("{guard}([^/]+?)"));
            }
            CaptureKind::In(items) => {
                let items: Vec<String> = items.iter().map(|item| regex_syntax::escape(item)).collect();
                let fold = if self.ignore_case && !in_bucket { "(?i:" } else { "(?:" };
                let items = items.join("|");
                let items = if fold == "(?:" { items } else { format!("{fold}{items})") };
                self.group(name, kept(group), &format!("{open}{items})"));
            }
            CaptureKind::Re(expression) => {
                let inner = without_slash(expression);
                let inner = if self.ignore_case { format!("(?i:{inner})") } else { inner };
                self.group(name, kept(group), &format!("{open}{inner})"));
            }
        }
        self.captures += 1;
    }

    fn group(&mut self, name: Option<&str>, kind: Option<GroupKind>, expression: &str) {
        self.text += expression;
        let name = name.map(str::to_owned);
        self.groups.extend(kind.map(|kind| Group { name, capture: self.captures, kind }));
    }

    fn date(&mut self, name: Option<&str>, form: &DateForm) {
        for part in &form.parts {
            match part {
                DatePart::Text(text) => self.literal(text),
                DatePart::Field(field) => {
                    let expression = format!("({})", field.expression());
                    self.group(name, Some(GroupKind::Field(*field)), &expression);
                }
            }
        }
    }

    /// At most one of the groups of this name takes part in a match; a back-reference to any other fails.
    fn repeat(&mut self, name: &str) {
        let is_it = |group: &Group| group.name.as_deref() == Some(name);
        let numbers = (1..).zip(&self.groups).filter(|(_, group)| is_it(group));
        // A digit that follows must not become part of the number.
        let references: Vec<String> = numbers.map(|(number, _)| format!("(?:\\{number})")).collect();
        let all = references.join("|");
        self.folded(&if references.len() == 1 { all } else { format!("(?:{all})") });
    }
}

fn class_expression(class: &Class) -> String {
    let mut text = String::from(if class.negated { "[^/" } else { "[" });
    for (low, high) in &class.ranges {
        let shown = |c: char| {
            if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:x}}}", c as u32) }
        };
        text += &shown(*low);
        if low != high {
            text += &format!("-{}", shown(*high));
        }
    }
    text + "]"
}

/// The mistakes in a `re(…)`: spans are in the expression.
pub(super) fn check_re(expression: &str) -> Vec<TemplateError> {
    let parsed = ast::parse::Parser::new().parse(expression);
    let tree = match parsed {
        Ok(tree) => tree,
        Err(error) => {
            // Where something is missing the span is empty: the character there is shown.
            let mut span = span_of(error.span());
            let width = expression[span.start..].chars().next().map_or(0, char::len_utf8);
            span.end = span.end.max(span.start + width);
            return vec![broken_re(error.kind(), span)];
        }
    };
    let finder = Finder { errors: Vec::new() };
    let Ok(errors) = ast::visit(&tree, finder);
    if !errors.is_empty() {
        return errors;
    }
    match regex::Regex::new(&without_slash(expression)) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let message = match error {
                regex::Error::CompiledTooBig(_) => "this expression is too large".to_owned(),
                error => error.to_string().lines().last().unwrap_or("a bad expression").replace("error: ", ""),
            };
            vec![mistake(0..expression.len(), message, "", "the syntax is that of the Rust crate `regex`")]
        }
    }
}

fn broken_re(kind: &ErrorKind, span: Range<usize>) -> TemplateError {
    match kind {
        ErrorKind::UnsupportedLookAround => {
            mistake(span, "look-around in `re(…)`", "", "say what may stand there instead; a match is anchored anyway")
        }
        ErrorKind::UnsupportedBackreference => {
            mistake(span, "a back-reference in `re(…)`", "", "repeat a capture by its name: `{x}…/{x}`")
        }
        kind => {
            let help = "the syntax is that of the Rust crate `regex`";
            mistake(span, format!("a bad regular expression: {kind}"), "", help)
        }
    }
}

fn mistake(span: Range<usize>, message: impl Into<String>, label: &str, help: impl Into<String>) -> TemplateError {
    TemplateError { span, message: message.into(), label: label.to_owned(), help: Some(help.into()) }
}

fn span_of(span: &ast::Span) -> Range<usize> {
    span.start.offset..span.end.offset
}

/// Where a `re(…)` has its first anchor (`^`, `$`, `\A`, `\z`), in bytes: it is about the whole text, not the capture.
pub(in crate::rules) fn anchor_in_re(expression: &str) -> Option<Range<usize>> {
    struct Anchors;
    impl ast::Visitor for Anchors {
        type Output = ();
        type Err = Range<usize>;

        fn finish(self) -> Result<(), Range<usize>> {
            Ok(())
        }

        fn visit_pre(&mut self, tree: &Ast) -> Result<(), Range<usize>> {
            use AssertionKind::{EndLine, EndText, StartLine, StartText};
            match tree {
                Ast::Assertion(found) if matches!(found.kind, StartLine | EndLine | StartText | EndText) => {
                    Err(span_of(&found.span))
                }
                _ => Ok(()),
            }
        }
    }
    ast::visit(&ast::parse::Parser::new().parse(expression).ok()?, Anchors).err()
}

/// Looks for what `re(…)` may not hold.
struct Finder {
    errors: Vec<TemplateError>,
}

impl ast::Visitor for Finder {
    type Output = Vec<TemplateError>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.errors)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        let found = match tree {
            Ast::Literal(literal) if literal.c == '/' => Some((
                "a `/` in `re(…)`",
                "one capture stays within one component",
                "write the slash between two captures, or use `{x:path}`",
            )),
            Ast::Group(group) => match group.kind {
                AstGroup::NonCapturing(_) => None,
                _ => Some(("a capturing group in `re(…)`", "", "write `(?:…)`")),
            },
            _ => None,
        };
        if let Some((message, label, help)) = found {
            // A group's parenthesis says enough.
            let span = span_of(tree.span());
            let span = if matches!(tree, Ast::Group(_)) { span.start..span.start + 1 } else { span };
            self.errors.push(mistake(span, message, label, help));
        }
        Ok(())
    }
}

/// Takes `/` out of `.` and of every class. `expression` has been checked.
fn without_slash(expression: &str) -> String {
    let Ok(tree) = ast::parse::Parser::new().parse(expression) else { return expression.to_owned() };
    let mut rewriter = Rewriter { expression, text: String::new(), at: 0, dot_all: false, crlf: false };
    rewriter.walk(&tree);
    rewriter.text + &expression[rewriter.at..]
}

/// Copies an expression, class by class.
struct Rewriter<'a> {
    expression: &'a str,
    text: String,
    /// Up to here the expression has been copied.
    at: usize,
    /// The flags `s` and `R`, which say what `.` is.
    dot_all: bool,
    crlf: bool,
}

impl Rewriter<'_> {
    fn walk(&mut self, tree: &Ast) {
        match tree {
            Ast::Dot(span) => {
                let class = match (self.dot_all, self.crlf) {
                    (true, _) => "[^/]",
                    (false, true) => r"[^/\r\n]",
                    (false, false) => r"[^/\n]",
                };
                self.replace(span, class);
            }
            Ast::ClassBracketed(class) => self.cut(&class.span),
            Ast::ClassUnicode(class) => self.cut(&class.span),
            Ast::ClassPerl(class) if class.negated => self.cut(&class.span),
            Ast::Repetition(repetition) => self.walk(&repetition.ast),
            Ast::Concat(concat) => concat.asts.iter().for_each(|tree| self.walk(tree)),
            Ast::Alternation(alternation) => alternation.asts.iter().for_each(|tree| self.walk(tree)),
            Ast::Flags(flags) => self.set(&flags.flags),
            Ast::Group(group) => {
                let outside = (self.dot_all, self.crlf);
                if let AstGroup::NonCapturing(flags) = &group.kind {
                    self.set(flags);
                }
                self.walk(&group.ast);
                (self.dot_all, self.crlf) = outside;
            }
            Ast::Empty(_) | Ast::Literal(_) | Ast::Assertion(_) | Ast::ClassPerl(_) => {}
        }
    }

    fn set(&mut self, flags: &ast::Flags) {
        self.dot_all = flags.flag_state(ast::Flag::DotMatchesNewLine).unwrap_or(self.dot_all);
        self.crlf = flags.flag_state(ast::Flag::CRLF).unwrap_or(self.crlf);
    }

    /// Leaves a class that has no slash as it is.
    fn cut(&mut self, span: &ast::Span) {
        let class = &self.expression[span_of(span)];
        let slash = [ClassUnicodeRange::new('/', '/')];
        let has_slash = match regex_syntax::parse(class).as_ref().map(Hir::kind) {
            Ok(HirKind::Class(HirClass::Unicode(class))) => {
                let mut shared = class.clone();
                shared.intersect(&ClassUnicode::new(slash));
                !shared.ranges().is_empty()
            }
            Ok(HirKind::Literal(literal)) => literal.0.contains(&b'/'),
            _ => true,
        };
        if has_slash {
            self.replace(span, &format!("[{class}&&[^/]]"));
        }
    }

    fn replace(&mut self, span: &ast::Span, class: &str) {
        self.text += &self.expression[self.at..span.start.offset];
        self.text += class;
        self.at = span.end.offset;
    }
}
