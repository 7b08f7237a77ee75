//! The cases of `tests/rules`: templates and what they take, by every reading there is; and templates that are mistakes.

mod oracle;
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use oracle::template::{Miss, Translated};
use oracle::{Object, Why};
use restitch::rules::date::DatePieces;
use restitch::rules::template::{GroupKind, Template};
use restitch::value::{HIVE_NULL, hive_unescape};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases<T> {
    case: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    template: String,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    takes: Vec<Takes>,
    #[serde(default)]
    refuses: Vec<String>,
    #[serde(default)]
    bad_dates: Vec<String>,
    #[serde(default)]
    bad_values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Takes {
    uri: String,
    #[serde(default)]
    gives: Gives,
}

/// Names and values, NULL as `\N`.
type Gives = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MistakeCase {
    template: String,
    errors: Vec<Mistake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    at: String,
    says: String,
    /// Which of several such texts, from 1.
    occurrence: Option<usize>,
}

fn cases<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(name);
    let cases: Cases<T> = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
    cases.case
}

fn template_cases() -> Vec<Case> {
    ["templates.toml", "dates.toml"].into_iter().flat_map(cases).collect()
}

/// What a template makes of each URI of a case: values, or why not.
type Reading<'a> = dyn Fn(&str) -> Result<Gives, &'static str> + 'a;

fn check(reading_name: &str, case: &Case, reading: &Reading<'_>) {
    let of = format!("{reading_name}: {} ({})", case.says, case.template);
    for taken in &case.takes {
        assert_eq!(reading(&taken.uri).as_ref(), Ok(&taken.gives), "{of} takes {}", taken.uri);
    }
    for uri in &case.refuses {
        assert_eq!(reading(uri), Err("unmatched"), "{of} refuses {uri}");
    }
    for uri in &case.bad_dates {
        assert_eq!(reading(uri), Err("bad date"), "{of} sees a bad date in {uri}");
    }
    for uri in &case.bad_values {
        assert_eq!(reading(uri), Err("bad value"), "{of} sees a bad value in {uri}");
    }
}

#[test]
fn by_the_expression_of_the_template() {
    for case in template_cases() {
        let template = Template::parse(&case.template).unwrap_or_else(|e| panic!("{}: {e:#?}", case.template));
        check("expression", &case, &|uri| by_expression(&template, case.ignore_case, uri));
    }
}

#[test]
fn by_the_plain_reading() {
    for case in template_cases() {
        let (scheme, _) = case.template.split_once("://").unwrap();
        let translated = Translated::new(&case.template, case.ignore_case);
        check("plain reading", &case, &|uri| {
            let rest = uri.strip_prefix(&format!("{scheme}://")).ok_or("unmatched")?;
            let values = translated.captures(rest).map_err(|miss| match miss {
                Miss::Unmatched => "unmatched",
                Miss::BadDate => "bad date",
                Miss::BadValue => "bad value",
            })?;
            Ok(values.into_iter().map(|(name, value)| (name, value.shown().unwrap_or(r"\N".into()))).collect())
        });
    }
}

/// Each case as a table with a column for each name.
#[test]
fn by_the_program() {
    for case in template_cases() {
        let template = Template::parse(&case.template).unwrap();
        // Columns are lower case, names need not be.
        let columns: Vec<(String, &str)> =
            (0..).zip(template.captures()).map(|(i, capture)| (format!("c{i}"), capture.name)).collect();
        let list = |show: &dyn Fn(&(String, &str)) -> String| columns.iter().map(show).collect::<Vec<_>>().join(", ");
        let rules = format!(
            "[table.t]\npartitioned_by = [{}]\nskip = []\n[[table.t.rule]]\nignore_case = {}\nset = {{ {} }}\nmatch = {}\n",
            list(&|(column, _)| format!("\"{column} string\"")),
            case.ignore_case,
            list(&|(column, name)| format!("{column} = '{{{name}}}'")),
            toml_string(&case.template),
        );
        let loaded = program::read(&rules);
        let read = loaded.rules.unwrap_or_else(|| panic!("{rules}: {:#?}", loaded.diagnostics));
        check("program", &case, &|uri| {
            let object = Object { uri: uri.to_owned(), ..Object::default() };
            match program::map(&read, &[object], 1).remove(0) {
                Ok(taken) => {
                    let values = taken[0].partition.iter().zip(&columns);
                    Ok(values.map(|((_, value), (_, name))| (name.to_string(), shown(value.as_deref()))).collect())
                }
                Err(Why::Unmatched | Why::Skipped(_)) => Err("unmatched"),
                Err(Why::BadDate) => Err("bad date"),
                Err(Why::BadValue) => Err("bad value"),
                Err(_) => Err("another reason"),
            }
        });
    }
}

fn toml_string(text: &str) -> String {
    format!("'{text}'")
}

fn shown(value: Option<&str>) -> String {
    value.unwrap_or(r"\N").to_owned()
}

/// Matches the template's own expression and reads its groups as they are documented.
fn by_expression(template: &Template, ignore_case: bool, uri: &str) -> Result<Gives, &'static str> {
    let rest = uri.strip_prefix(&format!("{}://", template.scheme.name())).ok_or("unmatched")?;
    let expression = template.expression(ignore_case);
    let regex = fancy_regex::Regex::new(&expression.text).unwrap_or_else(|e| panic!("{}: {e}", expression.text));
    let found = regex.captures(rest).unwrap().ok_or("unmatched")?;
    let names = template.captures();
    let mut gives: Gives = names.iter().map(|capture| (capture.name.to_owned(), r"\N".to_owned())).collect();
    let mut dates: BTreeMap<(Option<&str>, usize), DatePieces> = BTreeMap::new();
    for (number, group) in (1..).zip(&expression.groups) {
        let Some(text) = found.get(number).map(|text| text.as_str()) else { continue };
        let name = group.name.as_deref();
        let date = dates.entry((name, if name.is_some() { 0 } else { group.capture })).or_default();
        let value = match group.kind {
            GroupKind::Text => text.to_owned(),
            GroupKind::Hive if text == HIVE_NULL => String::new(),
            GroupKind::Hive => hive_unescape(text).ok_or("bad value")?.into_owned(),
            GroupKind::Epoch => {
                date.add_epoch(text.parse().unwrap());
                continue;
            }
            GroupKind::EpochMs => {
                date.add_epoch(text.parse::<i64>().unwrap() / 1000);
                continue;
            }
            GroupKind::Field(field) => {
                let readings = field.readings(text.as_bytes()).into_iter().flatten();
                let whole = readings.into_iter().find(|reading| usize::from(reading.len) == text.len()).unwrap();
                date.add(field, whole.value);
                continue;
            }
        };
        dates.remove(&(name, if name.is_some() { 0 } else { group.capture }));
        let Some(name) = name else { continue };
        gives.insert(name.to_owned(), if value.is_empty() { r"\N".to_owned() } else { value });
    }
    for ((name, _), pieces) in dates {
        let date = pieces.finish().ok_or("bad date")?;
        if let Some(name) = name {
            gives.insert(name.to_owned(), Some(date.value()).filter(|value| !value.is_empty()).unwrap_or(r"\N".into()));
        }
    }
    Ok(gives)
}

#[test]
fn what_is_printed_parses_back_the_same() {
    for case in template_cases() {
        let template = Template::parse(&case.template).unwrap();
        let printed = template.to_string();
        let again = Template::parse(&printed).unwrap_or_else(|e| panic!("{} as {printed}: {e:#?}", case.template));
        assert_eq!(again, template, "{} as {printed}", case.template);
        assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn mistakes_are_all_told_with_their_place() {
    for case in cases::<MistakeCase>("mistakes.toml") {
        let template = &case.template;
        let Err(errors) = Template::parse(template) else { panic!("{template} is a mistake") };
        let told = format!("{template}: {errors:#?}");
        assert_eq!(errors.len(), case.errors.len(), "{told}");
        for (error, expected) in errors.iter().zip(&case.errors) {
            assert_eq!(template[error.span.clone()], expected.at, "{told}");
            if let Some(occurrence) = expected.occurrence {
                let at = template.match_indices(&expected.at).nth(occurrence - 1).unwrap().0;
                assert_eq!(error.span.start, at, "{told}");
            }
            let words = format!("{} {} {}", error.message, error.label, error.help.as_deref().unwrap_or(""));
            assert!(words.contains(&expected.says), "{:?} not in {told}", expected.says);
            assert!(!error.message.ends_with('.') && !error.message.starts_with(|c: char| c.is_uppercase()), "{told}");
        }
    }
}
