//! The cases of `tests/rules/files`: whole rule files, and what becomes of each object of a listing; held against the
//! program and against the plain reading, in the order written and backwards, in pages of several sizes.

mod oracle;
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use oracle::{Fate, Object, Oracle, Skipped, Why};
use restitch::rules::Severity;
use restitch::rules::diagnostic::Diagnostic;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    rules: String,
    #[serde(default)]
    objects: Vec<Listed>,
    /// Texts that the errors hold, one each, in their order; then there are no objects.
    errors: Option<Vec<String>>,
    /// Texts that the warnings hold; not looked at if it is not said.
    warnings: Option<Vec<String>>,
    /// A part of the error that mapping ends in, and of its notes and help.
    fails: Option<Vec<String>>,
}

/// An object and what becomes of it; if neither `takes` nor `why` is said it is only there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    uri: String,
    size: Option<u64>,
    modified: Option<String>,
    storage_class: Option<String>,
    takes: Option<BTreeMap<String, Gives>>,
    why: Option<String>,
    /// The rule that takes it, from 1.
    rule: Option<usize>,
    /// What the manifest says.
    line: Option<String>,
}

/// Columns and values, NULL as `\N`.
type Gives = BTreeMap<String, String>;

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/files");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &Path| -> Cases {
        toml::from_str(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(|path| read(path).case).collect()
}

impl Case {
    fn listing(&self) -> Vec<Object> {
        let object = |listed: &Listed| Object {
            uri: listed.uri.clone(),
            size: listed.size,
            modified: listed.modified.as_ref().map(|text| text.parse::<jiff::Timestamp>().unwrap().as_second()),
            storage_class: listed.storage_class.clone(),
        };
        self.objects.iter().map(object).collect()
    }

    fn check(&self, reading: &str, fates: &[Fate]) {
        for (listed, fate) in self.objects.iter().zip(fates) {
            let of = format!("{reading}: {}\n{}\n{}: {fate:?}", self.says, self.rules, listed.uri);
            if let Some(why) = &listed.why {
                assert_eq!(fate.as_ref().map_err(|why| name(*why)), Err(why.as_str()), "{of}");
            }
            let Some(takes) = &listed.takes else { continue };
            let taken = fate.as_ref().unwrap_or_else(|_| panic!("{of}"));
            let shown = taken.iter().map(|taken| {
                let values = taken.partition.iter().cloned();
                (taken.table.clone(), values.map(|(name, value)| (name, value.unwrap_or(r"\N".into()))).collect())
            });
            assert_eq!(shown.collect::<BTreeMap<String, Gives>>(), *takes, "{of}");
            listed.rule.iter().for_each(|rule| assert_eq!(taken[0].rule, *rule, "{of}"));
            listed.line.iter().for_each(|line| assert_eq!(taken[0].line, *line, "{of}"));
        }
    }
}

/// As `restitch map` says it.
fn name(why: Why) -> &'static str {
    match why {
        Why::Location => "manifest",
        Why::Skipped(Skipped::Marker) => "directory marker",
        Why::Skipped(Skipped::Hidden) => "hidden",
        Why::Skipped(Skipped::Folder) => "folder marker",
        Why::Skipped(Skipped::Empty) => "zero bytes",
        Why::Skipped(Skipped::Archived) => "archived",
        Why::Unmatched => "unmatched",
        Why::BadDate => "bad date",
        Why::Excluded => "excluded",
        Why::Filtered => "filtered",
        Why::Waiting => "waiting",
        Why::BadValue => "bad value",
        Why::NoSuchKey => "no such key in lookup",
        Why::Superseded => "superseded",
    }
}

#[test]
fn by_the_plain_reading() {
    for case in cases().iter().filter(|case| case.errors.is_none() && case.fails.is_none()) {
        case.check("plain reading", &Oracle::new(&case.rules).map(&case.listing()));
    }
}

#[test]
fn by_the_program() {
    for case in cases().iter().filter(|case| case.errors.is_none()) {
        let loaded = program::read(&case.rules);
        let rules = loaded.rules.unwrap_or_else(|| panic!("{}: {:#?}", case.says, loaded.diagnostics));
        let mut listing = case.listing();
        if let Some(fails) = &case.fails {
            let error = program::failure(&rules, &listing).unwrap_or_else(|| panic!("{} fails", case.says));
            let told = format!("{error:?}");
            fails.iter().for_each(|text| assert!(told.contains(text), "{}: {text:?} not in {told}", case.says));
            continue;
        }
        for page_len in [1, 2, 1000] {
            case.check("program", &program::map(&rules, &listing, page_len));
        }
        listing.reverse();
        let mut fates = program::map(&rules, &listing, 3);
        fates.reverse();
        case.check("program, backwards", &fates);
    }
}

#[test]
fn mistakes_and_warnings_are_told() {
    for case in cases() {
        let loaded = program::read(&case.rules);
        let of = |severity: Severity| -> Vec<&Diagnostic> {
            loaded.diagnostics.iter().filter(|one| one.severity == severity).collect()
        };
        case.told(&of(Severity::Error), case.errors.as_ref().unwrap_or(&Vec::new()));
        if let Some(warnings) = &case.warnings {
            case.told(&of(Severity::Warning), warnings);
        }
    }
}

impl Case {
    fn told(&self, found: &[&Diagnostic], expected: &[String]) {
        let told = format!("{}\n{}\n{found:#?}", self.says, self.rules);
        assert_eq!(found.len(), expected.len(), "{told}");
        for (one, expected) in found.iter().zip(expected) {
            assert!(format!("{one:?}").contains(expected), "{expected:?} not told: {told}");
        }
    }
}
