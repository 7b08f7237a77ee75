//! Mistakes in a rule file: gathered, never stopped at the first, shown with file, line, column, caret and help.
//!
//! Pure: text in, text out. The excerpt is made safe for a terminal and cut to the width before it is drawn.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codespan_reporting::diagnostic as drawn;
use codespan_reporting::files::{Error as FilesError, Files};
use codespan_reporting::term::{self, GeneralWriteResult, WriteStyle};

use super::excerpt::{self, WIDTH, columns, cut, safe, wrapped};
use crate::uri::Shown;

/// An error or a warning about one place in the rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Lower case, no full stop, backticks round what the user wrote.
    pub message: String,
    /// Where, in bytes of the rule file.
    pub span: Range<usize>,
    /// The file that the rule file names there and that the mistake is in; this is shown then.
    pub inside: Option<Box<Inside>>,
    /// What to write at the caret.
    pub label: Box<str>,
    /// Lines under the excerpt: why.
    pub notes: Vec<String>,
    /// What to do, as something that can be pasted where possible; its first line is prose, the rest is to be pasted.
    pub help: Option<String>,
}

/// A place in a file that the rule file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its name for messages.
    pub path: PathBuf,
    pub text: Arc<str>,
    /// In bytes of `text`.
    pub span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Diagnostic {
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message.into())
    }

    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message.into())
    }

    fn new(severity: Severity, span: Range<usize>, message: String) -> Diagnostic {
        Diagnostic { severity, message, span, inside: None, label: Box::default(), notes: Vec::new(), help: None }
    }

    #[must_use]
    pub fn inside(mut self, inside: Inside) -> Diagnostic {
        self.inside = Some(Box::new(inside));
        self
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<Box<str>>) -> Diagnostic {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same, with what is only there sometimes.
    #[must_use]
    pub fn help_maybe(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }
}

/// Where the lines of a text begin, to turn offsets into lines and columns.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        self.starts.partition_point(|start| *start <= offset) as u32
    }

    /// The column of a byte offset, in characters from 1.
    pub fn column(&self, offset: usize) -> u32 {
        let offset = floor_boundary(self.text, offset.min(self.text.len()));
        let start = self.starts[self.line(offset) as usize - 1];
        self.text[start..offset].chars().count() as u32 + 1
    }

    /// Where the value stands that the line `line` (from 1) gives to a key: behind its `=`, up to the end.
    pub fn value_on(&self, line: u32) -> Range<usize> {
        let range = self.of_line(line);
        let behind = self.text[range.clone()].find(['\'', '"']).unwrap_or(0);
        range.start + behind..range.start + self.text[range].trim_end().len()
    }

    /// The line `line` (from 1), without its line ending.
    pub fn of_line(&self, line: u32) -> Range<usize> {
        let start = self.starts[line as usize - 1];
        let end = self.starts.get(line as usize).copied().unwrap_or(self.text.len());
        start..start + self.text[start..end].trim_end_matches(['\n', '\r']).len()
    }
}

/// One diagnostic as people read it, with an empty line after it; ANSI colours only if asked for.
pub fn render(diagnostic: &Diagnostic, path: &Path, lines: &Lines<'_>, color: bool) -> String {
    let excerpt = match &diagnostic.inside {
        Some(inside) => Excerpt::new(&inside.span, &inside.path, &Lines::new(&inside.text)),
        None => Excerpt::new(&diagnostic.span, path, lines),
    };
    let gutter = excerpt.line.to_string().len() + 3;
    let severity = match diagnostic.severity {
        Severity::Error => drawn::Severity::Error,
        Severity::Warning => drawn::Severity::Warning,
    };
    let mut label = drawn::Label::primary((), excerpt.span.clone());
    let mut notes = Vec::new();
    let beside = Shown(&diagnostic.label).to_string();
    if gutter + columns(&excerpt.text[..excerpt.span.end]) + 2 + columns(&beside) <= WIDTH {
        label.message = beside;
    } else {
        notes.push(wrapped(&beside, WIDTH - gutter - 2, 0));
    }
    notes.extend(diagnostic.notes.iter().map(|note| wrapped(note, WIDTH - gutter - 2, 0)));
    if let Some(help) = &diagnostic.help {
        notes.push(format!("help: {}", wrapped(help, WIDTH - gutter - 8, 6)));
    }
    let drawn = drawn::Diagnostic::new(severity)
        .with_message(wrapped(&diagnostic.message, WIDTH - 9, 2))
        .with_label(label)
        .with_notes(notes);
    let mut out = Painter { out: Vec::new(), color };
    term::emit_to_write_style(&mut out, &term::Config::default(), &excerpt, &drawn)
        .expect("the excerpt holds its own span, and a Vec takes all bytes");
    let text = String::from_utf8(out.out).expect("only text was written");
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The one line that is shown, safe and cut to the width, with the span in it.
struct Excerpt {
    name: String,
    text: String,
    span: Range<usize>,
    line: usize,
    column: usize,
}

impl Excerpt {
    fn new(span: &Range<usize>, path: &Path, lines: &Lines<'_>) -> Excerpt {
        let start = floor_boundary(lines.text, span.start.min(lines.text.len()));
        let line = lines.line(start);
        let range = lines.of_line(line);
        let start = start.clamp(range.start, range.end);
        let end = floor_boundary(lines.text, span.end.clamp(start, range.end));
        let (before, marked, after) = (
            excerpt::last(&lines.text[range.start..start]),
            excerpt::first(&lines.text[start..end]),
            excerpt::first(&lines.text[end..range.end]),
        );
        let room = WIDTH - line.to_string().len() - 4;
        let (text, span) = cut(&safe(before), &safe(marked), &safe(after), room);
        Excerpt {
            name: Shown(&path.to_string_lossy()).to_string(),
            text,
            span,
            line: line as usize,
            column: lines.column(start) as usize,
        }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl<'a> Files<'a> for Excerpt {
    type FileId = ();
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, (): ()) -> Result<&'a str, FilesError> {
        Ok(&self.name)
    }

    fn source(&'a self, (): ()) -> Result<&'a str, FilesError> {
        Ok(&self.text)
    }

    fn line_index(&'a self, (): (), _: usize) -> Result<usize, FilesError> {
        Ok(0)
    }

    fn line_number(&'a self, (): (), _: usize) -> Result<usize, FilesError> {
        Ok(self.line)
    }

    fn column_number(&'a self, (): (), _: usize, _: usize) -> Result<usize, FilesError> {
        Ok(self.column)
    }

    fn line_range(&'a self, (): (), _: usize) -> Result<Range<usize>, FilesError> {
        Ok(0..self.text.len())
    }
}

/// Writes the styles as SGR sequences, or not at all.
struct Painter {
    out: Vec<u8>,
    color: bool,
}

impl Painter {
    fn sgr(&mut self, code: &str) -> GeneralWriteResult {
        if self.color {
            self.out.extend_from_slice(format!("\x1b[{code}m").as_bytes());
        }
        Ok(())
    }
}

impl io::Write for Painter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteStyle for Painter {
    fn set_header(&mut self, severity: drawn::Severity) -> GeneralWriteResult {
        self.sgr(if severity == drawn::Severity::Warning { "1;33" } else { "1;31" })
    }

    fn set_header_message(&mut self) -> GeneralWriteResult {
        self.sgr("1")
    }

    fn set_line_number(&mut self) -> GeneralWriteResult {
        self.sgr("36")
    }

    fn set_note_bullet(&mut self) -> GeneralWriteResult {
        self.sgr("36")
    }

    fn set_source_border(&mut self) -> GeneralWriteResult {
        self.sgr("36")
    }

    fn set_label(&mut self, severity: drawn::Severity, _: drawn::LabelStyle) -> GeneralWriteResult {
        self.sgr(if severity == drawn::Severity::Warning { "33" } else { "31" })
    }

    fn reset(&mut self) -> GeneralWriteResult {
        self.sgr("0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, diagnostic: &Diagnostic) -> String {
        render(diagnostic, Path::new("restitch.toml"), &Lines::new(text), false)
    }

    #[test]
    fn a_diagnostic_reads_as_in_the_transcripts() {
        let text = "[table.taxes]\nmatch = 's3://b/c/'\n";
        let diagnostic = Diagnostic::error(22..33, "no capture or `set` gives column `region`")
            .label("captures nothing")
            .note("table `taxes` is partitioned by `region` (line 8)")
            .help("name it in the rule\nset = { region = \"…\" }");
        assert_eq!(
            shown(text, &diagnostic),
            "\
error: no capture or `set` gives column `region`
  ┌─ restitch.toml:2:9
  │
2 │ match = 's3://b/c/'
  │         ^^^^^^^^^^^ captures nothing
  │
  = table `taxes` is partitioned by `region` (line 8)
  = help: name it in the rule
          set = { region = \"…\" }

"
        );
    }

    #[test]
    fn long_lines_are_cut_round_the_caret_and_nothing_is_obeyed() {
        let text = format!("a = '{}\u{1b}[2J{{x}}{}'", "ä/".repeat(80), "日".repeat(90));
        let at = text.find("{x}").unwrap();
        let out = shown(&text, &Diagnostic::error(at..at + 3, "m\u{1b}").label("here").note("word ".repeat(40)));
        assert!(out.contains("\\u{1b}[2J{x}"), "{out}");
        assert!(!out.contains('\u{1b}'));
        for line in out.lines() {
            assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
        }
        let lines: Vec<&str> = out.lines().collect();
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().skip(caret).take(3).collect::<String>(), "{x}");
    }

    #[test]
    fn a_span_at_the_end_or_over_lines_still_has_its_caret() {
        let text = "a = [\n 'é',\n]";
        assert!(shown(text, &Diagnostic::error(4..text.len(), "m")).contains("1 │ a = [\n  │     ^"));
        assert!(shown(text, &Diagnostic::error(14..14, "m")).contains("restitch.toml:3:2"));
        assert!(shown("", &Diagnostic::error(0..0, "m")).contains("restitch.toml:1:1"));
        assert_eq!((Lines::new(text).line(9), Lines::new(text).column(11)), (2, 5));
    }

    #[test]
    fn colour_only_when_asked() {
        let diagnostic = Diagnostic::warning(0..1, "m");
        assert!(render(&diagnostic, Path::new("f"), &Lines::new("x"), true).contains("\u{1b}[1;33mwarning"));
        assert!(!shown("x", &diagnostic).contains('\u{1b}'));
    }
}
