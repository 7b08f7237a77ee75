//! Partition projection: the table properties that stand in for registered partitions, worked out from rules and values.
//!
//! Each column gets a type with its settings and one line that says why. What projection could not find again (NULL, a
//! value that Hive escapes in its directory) is refused. Knows no clock: the caller says which day it is.

mod column;
mod dates;

use std::collections::{BTreeMap, BTreeSet};

use super::quote::{Literal, TemplateLiteral};
use super::{Statement, StatementKind, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::brakes::grouped;
use crate::rules::table::{Column, LayoutPart, Table};
use crate::uri::{Shown, Uri};
use crate::value::PartitionValue;

use column::ColumnValues;

/// The property that says where a projected partition lies.
pub const LOCATION_TEMPLATE: &str = "storage.location.template";

/// The most values that an enum lists; a column with more is injected.
pub const MAX_ENUM_VALUES: usize = 1_000;

/// What makes a table projected.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// In order: `projection.enabled`, each column's, the template, all as a table states them.
    pub properties: Vec<(String, String)>,
    /// One line for each column: its type and why.
    pub why: Vec<String>,
    /// What a person should think about, each a sentence without a full stop.
    pub advice: Vec<String>,
}

/// Days that a range of dates may reach further than it has to.
const DAYS_BEYOND: u32 = 366;

impl Projection {
    /// With ranges of dates that `there`, a table's parameters, has already and that reach as far or a bit further: each day
    /// that passes makes one that ends in the future reach further by itself. What `table` states is as it is stated.
    #[must_use]
    pub fn reaching(mut self, table: &Table, there: &BTreeMap<String, String>) -> Projection {
        let is_stated = |key: &str| table.properties.iter().any(|(name, _)| name == key);
        for (key, range) in &mut self.properties {
            let old = there.get(key).filter(|_| key.ends_with(".range") && !is_stated(key));
            let (Some((from, ahead)), Some((old_from, old_ahead))) = (ahead(range), old.and_then(|old| ahead(old)))
            else {
                continue;
            };
            if from == old_from && (ahead..=ahead.saturating_add(DAYS_BEYOND)).contains(&old_ahead) {
                *range = old.expect("it has been read").clone();
            }
        }
        self
    }

    /// The statement that gives a table that exists already these properties, so that a wider range reaches it; it
    /// changes nothing where they are the same.
    pub fn set_properties(&self, name: &TableName) -> Statement {
        let entries = self.properties.iter().map(|(key, value)| match key.as_str() {
            LOCATION_TEMPLATE => format!("  {} = {}", Literal(key), TemplateLiteral(value)),
            _ => format!("  {} = {}", Literal(key), Literal(value)),
        });
        let entries: Vec<String> = entries.collect();
        let text = format!("ALTER TABLE {name} SET TBLPROPERTIES (\n{}\n)", entries.join(",\n"));
        Statement { kind: StatementKind::SetProperties, text, partitions: 0 }
    }
}

/// Takes the values of every partition, then says how to project them.
#[derive(Debug)]
pub struct ProjectionBuilder<'a> {
    table: &'a Table,
    location: &'a Uri,
    today: &'a str,
    columns: Vec<ColumnValues<'a>>,
    partitions: u64,
}

impl<'a> ProjectionBuilder<'a> {
    /// `location` is where manifests lie (ends in `/`); `today` is the day in UTC as `yyyy-MM-dd`: a range of dates ends in
    /// `NOW`, or so many days behind it as the last value lies there.
    ///
    /// # Errors
    /// `Unsupported` for a table without partition columns, for a location or layout that holds `${`, and for a layout
    /// in which a column is not followed by a slash.
    pub fn new(table: &'a Table, location: &'a Uri, today: &'a str) -> Result<ProjectionBuilder<'a>> {
        if table.partitioned_by.is_empty() {
            let message = format!("table `{}` has no partition columns to project", Shown(&table.name));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let texts = table.layout.parts.iter().filter_map(|part| match part {
            LayoutPart::Text(text) => Some(text.as_str()),
            LayoutPart::Column(_) => None,
        });
        if texts.chain([location.key.as_str()]).any(|text| text.contains("${")) {
            let message = format!("`${{` in the location of `{}` would be read as a column", Shown(&table.name));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        for (index, part) in table.layout.parts.iter().enumerate() {
            let behind = table.layout.parts.get(index + 1);
            if let LayoutPart::Column(column) = part
                && !matches!(behind, Some(LayoutPart::Text(text)) if text.starts_with('/'))
            {
                let (table_name, column) = (Shown(&table.name), Shown(&table.partitioned_by[*column].name));
                let message =
                    format!("`{table_name}` cannot be projected: `{column}` ends within a component of its layout");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .help("end each column of `layout` with a slash, or partitions = \"registered\""));
            }
        }
        let columns = (0..table.partitioned_by.len()).map(|index| ColumnValues::new(table, index)).collect();
        Ok(ProjectionBuilder { table, location, today, columns, partitions: 0 })
    }

    /// Takes one partition's values.
    ///
    /// # Errors
    /// `Unsupported` for a value that projection could not find again.
    pub fn add(&mut self, values: &[PartitionValue]) -> Result<()> {
        debug_assert_eq!(values.len(), self.columns.len());
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.add(value.as_str().ok_or_else(|| null(self.table, column.column()))?)?;
        }
        self.partitions += 1;
        Ok(())
    }

    /// # Errors
    /// `Unsupported` where a column's type or its readers do not go with projection, and where there is no value yet to
    /// take a range from; `Rules` where a stated range leaves published values out.
    pub fn finish(self) -> Result<Projection> {
        let mut properties = vec![("projection.enabled".to_owned(), "true".to_owned())];
        let (mut why, mut advice) = (Vec::new(), Vec::new());
        let mut projected = 1u128;
        for column in &self.columns {
            let settings = column.settings(self.today)?;
            let name = &column.column().name;
            let key = |setting: &str| format!("projection.{name}.{setting}");
            properties.extend(settings.entries.into_iter().map(|(setting, value)| (key(setting), value)));
            why.push(format!("{}: {}", Shown(name), settings.why));
            advice.extend(settings.advice);
            projected = projected.saturating_mul(settings.projected);
        }
        properties.push((LOCATION_TEMPLATE.to_owned(), location_template(self.table, self.location)));
        // A column that is injected counts the values that are there.
        let shown = |count: u128| grouped(u64::try_from(count).unwrap_or(u64::MAX));
        if projected > 2 * u128::from(self.partitions) {
            advice.push(format!(
                "{} of {} projected locations hold nothing: queries without a filter list them all; register the \
                 partitions instead (partitions = \"registered\")",
                shown(projected - u128::from(self.partitions)),
                shown(projected)
            ));
        }
        Ok(Projection { properties, why, advice })
    }
}

/// Where a range of dates begins, and how many days it reaches beyond today.
fn ahead(range: &str) -> Option<(&str, u32)> {
    let (from, to) = range.split_once(',')?;
    let days = match to.strip_prefix("NOW")? {
        "" => 0,
        more => more.strip_prefix('+')?.strip_suffix("DAYS")?.parse().ok()?,
    };
    Some((from, days))
}

/// What a table has that is projected already, over `directory`; for one that holds nothing at the moment.
pub fn kept(table: &Table, directory: &Uri, parameters: &BTreeMap<String, String>) -> Projection {
    let settings = parameters.iter().filter(|(key, _)| key.starts_with("projection."));
    let mut properties: Vec<(String, String)> = settings.map(|(key, value)| (key.clone(), value.clone())).collect();
    properties.push((LOCATION_TEMPLATE.to_owned(), location_template(table, directory)));
    Projection { properties, why: Vec::new(), advice: Vec::new() }
}

/// The location with a `${column}` for each hole of the layout.
fn location_template(table: &Table, location: &Uri) -> String {
    let mut out = location.raw();
    for part in &table.layout.parts {
        match part {
            LayoutPart::Text(text) => out += text,
            LayoutPart::Column(index) => out += &format!("${{{}}}", table.partitioned_by[*index].name),
        }
    }
    out
}

fn null(table: &Table, column: &Column) -> Error {
    let (table, column) = (Shown(&table.name), Shown(&column.name));
    Error::new(
        ErrorKind::Unsupported,
        format!("a partition of `{table}` has NULL in `{column}`, which no projection names"),
    )
    .help(format!(
        "give it a value, set = {{ {column} = \"{{{column}|default(none)}}\" }}, or partitions = \"registered\""
    ))
}

/// Settings of one column.
#[derive(Debug)]
struct Settings {
    /// Setting and value: `("type", "enum")`, …
    entries: Vec<(&'static str, String)>,
    why: String,
    advice: Vec<String>,
    /// How many values it projects; for an injected column those that are there.
    projected: u128,
}

/// A set of texts in order, for an enum.
type Values = BTreeSet<String>;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ddl::sample::table;
    use crate::rules::file::load;
    use crate::rules::table::Engine;

    const TODAY: &str = "2024-03-10";

    /// Properties of the projection of `partitions`, but for `projection.enabled`, the template and the column's prefix.
    fn settings(table: &Table, partitions: &[&[&str]]) -> Result<Vec<(String, String)>> {
        let made = projected(table, partitions)?;
        let column = |key: &str| key.strip_prefix("projection.").map(str::to_owned);
        let rest = made.properties.into_iter().filter(|(key, _)| key != "projection.enabled");
        Ok(rest.filter_map(|(key, value)| Some((column(&key)?, value))).collect())
    }

    fn projected(table: &Table, partitions: &[&[&str]]) -> Result<Projection> {
        let location = table.location.clone().unwrap();
        let mut builder = ProjectionBuilder::new(table, &location, TODAY)?;
        for texts in partitions {
            let values = texts.iter().zip(&table.partitioned_by);
            let values = values.map(|(text, column)| column.partition_type().value(text).expect("a good value"));
            builder.add(&values.collect::<Vec<_>>())?;
        }
        builder.finish()
    }

    fn one(ddl_type: &str, values: &[&str]) -> String {
        let values: Vec<[&str; 1]> = values.iter().map(|value| [*value]).collect();
        let values: Vec<&[&str]> = values.iter().map(|value| value.as_slice()).collect();
        match settings(&table(&[("p", ddl_type)]), &values) {
            Ok(settings) => {
                let parts = settings.iter().map(|(key, value)| format!("{}={value}", key.strip_prefix("p.").unwrap()));
                parts.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.message().to_owned(),
        }
    }

    /// The table of a rule file: partition columns and rules as TOML.
    fn ruled(partitioned_by: &str, rules: &str) -> Table {
        let text = format!(
            "[table.t]\nlocation = 's3://tables/t/'\ncolumns = [\"id bigint\"]\nformat = \"csv\"\n\
             partitioned_by = {partitioned_by}\npartitions = \"projection\"\n{rules}"
        );
        let loaded = load(&text, Path::new("r.toml"), Path::new("/"), &|_| unreachable!());
        loaded.rules.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).tables.remove(0)
    }

    #[test]
    fn each_type_gets_its_settings() {
        assert_eq!(one("string", &["emea", "amer", "apac"]), "type=enum values=amer,apac,emea");
        assert_eq!(one("int", &["3", "7"]), "type=integer range=3,7 interval=1");
        assert_eq!(one("bigint", &["-5", "5", "6"]), "type=integer range=-5,6 interval=1");
        assert_eq!(one("int", &["2000", "2010", "2030"]), "type=integer range=2000,2030 interval=10");
        assert_eq!(
            one("date", &["2024-01-05", "2024-01-03"]),
            "type=date format=yyyy-MM-dd range=2024-01-03,NOW interval=1 interval.unit=DAYS"
        );
        assert_eq!(
            one("date", &["2024-01-05", "2024-03-11"]),
            "type=date format=yyyy-MM-dd range=2024-01-05,NOW+1DAYS interval=1 interval.unit=DAYS"
        );
    }

    #[test]
    fn a_range_that_reaches_a_bit_further_already_is_kept() {
        let mut table = table(&[("p", "date")]);
        let range = |table: &Table, there: &str| {
            let there = BTreeMap::from([("projection.p.range".to_owned(), there.to_owned())]);
            let made = projected(table, &[&["2024-01-05"], &["2024-03-20"]]).unwrap().reaching(table, &there);
            made.properties.into_iter().find(|(key, _)| key == "projection.p.range").unwrap().1
        };
        let new = "2024-01-05,NOW+10DAYS";
        for kept in [new, "2024-01-05,NOW+12DAYS", "2024-01-05,NOW+376DAYS"] {
            assert_eq!(range(&table, kept), kept);
        }
        for other in [
            "2024-01-05,NOW+9DAYS",
            "2024-01-05,NOW",
            "2024-01-05,NOW+377DAYS",
            "2024-01-04,NOW+12DAYS",
            "2024-01-05,2024-12-31",
            "",
        ] {
            assert_eq!(range(&table, other), new);
        }
        table.properties = vec![("projection.p.range".to_owned(), "2024-01-05,NOW+20DAYS".to_owned())];
        assert_eq!(range(&table, "2024-01-05,NOW+30DAYS"), "2024-01-05,NOW+20DAYS");
    }

    #[test]
    fn a_range_holds_what_lies_in_the_future() {
        let range = |values: &[&str]| {
            one("string", values).split(' ').find_map(|part| part.strip_prefix("range=").map(str::to_owned)).unwrap()
        };
        assert_eq!(range(&["2024-01-05", "2024-03-10"]), "2024-01-05,NOW");
        assert_eq!(range(&["2024-03-01", "2024-04-10"]), "2024-03-01,NOW+31DAYS");
        assert_eq!(range(&["2024-12"]), "2024-12,NOW+266DAYS");
        // Today's last hour may not have begun.
        assert_eq!(one("string", &["2024-03-09-23"]).split(' ').nth(2), Some("range=2024-03-09-23,NOW"));
        assert_eq!(one("string", &["2024-03-10-23"]).split(' ').nth(2), Some("range=2024-03-10-23,NOW+1DAYS"));
    }

    #[test]
    fn years_go_on() {
        let rule = "[[table.t.rule]]\nmatch = 's3://b/{year:date(yyyy)}/*.csv'";
        for ddl_type in ["int", "string"] {
            let table = ruled(&format!("[\"year {ddl_type}\"]"), rule);
            assert_eq!(settings(&table, &[&["2019"]]).unwrap()[1].1, "2019,2025", "{ddl_type}");
        }
        assert_eq!(one("int", &["2019", "2023"]), "type=integer range=2019,2023 interval=1");
        let advice = projected(&table(&[("n", "int")]), &[&["3"]]).unwrap().advice;
        assert_eq!(advice, ["a `n` outside 3 to 3 is not found until `restitch ddl` is run again"]);
    }

    #[test]
    fn only_padded_numbers_have_digits() {
        let rule = "[[table.t.rule]]\nmatch = 's3://b/{ts:date(yyyy/M)}/*.csv'\nset = { month = \"{ts|format(M)}\" }";
        for ddl_type in ["int", "string"] {
            let table = ruled(&format!("[\"month {ddl_type}\"]"), rule);
            let found = settings(&table, &[&["10"], &["11"], &["12"]]).unwrap();
            assert_eq!(found.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["integer", "1,12", "1"]);
        }
    }

    #[test]
    fn each_column_of_a_layout_ends_a_component() {
        let mut table = table(&[("a", "string"), ("b", "string")]);
        let text = |text: &str| LayoutPart::Text(text.to_owned());
        table.layout.parts = vec![LayoutPart::Column(0), text("-"), LayoutPart::Column(1), text("/")];
        let error = projected(&table, &[&["x", "y"]]).unwrap_err();
        assert!(error.message().contains("`a` ends within a component"), "{error}");
    }

    #[test]
    fn strings_are_dates_and_integers_where_all_of_them_are() {
        let date = |format: &str, from: &str, unit: &str| {
            format!("type=date format={format} range={from},NOW interval=1 interval.unit={unit}")
        };
        assert_eq!(one("string", &["2024-01-05", "2024-02-01"]), date("yyyy-MM-dd", "2024-01-05", "DAYS"));
        assert_eq!(one("string", &["20240105"]), date("yyyyMMdd", "20240105", "DAYS"));
        assert_eq!(one("string", &["2024-01", "2023-12"]), date("yyyy-MM", "2023-12", "MONTHS"));
        assert_eq!(one("string", &["2024-01-05 13"]), date("yyyy-MM-dd HH", "2024-01-05 13", "HOURS"));
        assert_eq!(one("string", &["2024-01-05", "2023-02-30"]), "type=enum values=2023-02-30,2024-01-05");
        assert_eq!(one("string", &["01", "02", "03"]), "type=integer range=1,3 interval=1 digits=2");
        assert_eq!(one("string", &["9", "10", "11"]), "type=integer range=9,11 interval=1");
        assert_eq!(one("string", &["1", "02"]), "type=enum values=02,1");
        assert_eq!(
            one("string", &["111111111111", "999999999999", "5"]),
            "type=enum values=111111111111,5,999999999999"
        );
        assert_eq!(one("string", &["a,b", "c"]), "type=injected");
    }

    #[test]
    fn what_projection_could_not_find_again_is_refused() {
        for value in ["a:b", "a/b", "a%b", "a=b"] {
            assert!(one("string", &[value]).contains("not escaped alike"), "{value}");
        }
        assert!(one("string", &["a", ""]).contains("has NULL in `p`"));
        assert!(one("boolean", &["true"]).contains("strings, integers and dates"));
        assert!(one("int", &[]).contains("nothing is published yet"));
        assert!(one("varchar(9)", &["a,b"]).contains("only a column of type string can be injected"));
        assert!(one("timestamp", &["2024-01-05", "x"]).contains("not all dates of one form"));
        assert!(one("timestamp", &["2024-01-05"]).starts_with("type=date format=yyyy-MM-dd"));
        assert!(projected(&table(&[]), &[]).unwrap_err().message().contains("no partition columns"));
        let many: Vec<String> = (0..=MAX_ENUM_VALUES).map(|n| format!("v{n}")).collect();
        assert_eq!(one("string", &many.iter().map(String::as_str).collect::<Vec<_>>()), "type=injected");
    }

    #[test]
    fn rules_promise_more_than_is_published() {
        let table = ruled(
            "[\"region string\"]",
            "[[table.t.rule]]\nmatch = 's3://b/{region:in(emea,amer)}/*.csv'\n[[table.t.rule]]\nmatch = 's3://old/x/'\nset = { region = \"apac\" }",
        );
        assert_eq!(settings(&table, &[&["emea"]]).unwrap()[1].1, "amer,apac,emea");
        let made = projected(&table, &[&["emea"]]).unwrap();
        assert_eq!(made.why, ["region: enum of 3 values, 2 of them only named by rules so far"]);
        assert!(made.advice[0].starts_with("2 of 3 projected locations hold nothing"), "{:?}", made.advice);
    }

    #[test]
    fn a_field_of_a_date_has_its_whole_range() {
        let table = ruled(
            "[\"day string\", \"month string\", \"hour int\"]",
            "[[table.t.rule]]\nmatch = 's3://b/{ts:date(yyyy/MM/dd/HH)}/*.csv'\n\
             set = { day = \"{ts|format(yyyy-MM-dd)}\", month = \"{ts|format(MM)}\", hour = \"{ts|format(H)}\" }",
        );
        let found = settings(&table, &[&["2024-03-01", "03", "7"], &["2024-03-02", "03", "8"]]).unwrap();
        let of = |column: &str| {
            let parts = found.iter().filter_map(|(key, value)| Some(format!("{}={value}", key.strip_prefix(column)?)));
            parts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("month."), "type=integer range=1,12 interval=1 digits=2");
        assert_eq!(of("day."), "type=date format=yyyy-MM-dd range=2024-03-01,NOW interval=1 interval.unit=DAYS");
        // An integer column takes the range that is there; its values come without leading zeros.
        assert_eq!(of("hour."), "type=integer range=0,23 interval=1");
    }

    #[test]
    fn the_template_has_a_hole_for_each_column() {
        let mut table = ruled("[\"a string\", \"b string\"]", "[[table.t.rule]]\nmatch = 's3://x/{a}/{b}/*'");
        let template = |table: &Table| projected(table, &[&["x", "y"]]).unwrap().properties.pop().unwrap();
        assert_eq!(template(&table), (LOCATION_TEMPLATE.to_owned(), "s3://tables/t/a=${a}/b=${b}/".to_owned()));
        table.layout.parts = vec![
            LayoutPart::Column(1),
            LayoutPart::Text("/v-".to_owned()),
            LayoutPart::Column(0),
            LayoutPart::Text("/".to_owned()),
        ];
        assert_eq!(template(&table).1, "s3://tables/t/${b}/v-${a}/");
        table.location = Some(Uri::parse("s3://tables/${x}/").unwrap());
        assert!(projected(&table, &[&["x", "y"]]).is_err());
    }

    #[test]
    fn stated_settings_go_first_and_must_hold_what_is_published() {
        let mut table = table(&[("dt", "date"), ("n", "int")]);
        let state = |table: &mut Table, entries: &[(&str, &str)]| {
            table.properties = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        };
        state(&mut table, &[("projection.dt.range", "2020-01-01,NOW+1YEARS"), ("projection.n.range", "0,99")]);
        let found = settings(&table, &[&["2024-01-05", "5"]]).unwrap();
        assert_eq!(found[2].1, "2020-01-01,NOW+1YEARS");
        assert_eq!(found[6].1, "0,99");
        state(&mut table, &[("projection.n.range", "6,99")]);
        assert!(settings(&table, &[&["2024-01-05", "5"]]).unwrap_err().message().contains("`5` lies outside"));
        state(&mut table, &[("projection.dt.range", "2020-01-01,2024-01-04")]);
        assert!(settings(&table, &[&["2024-01-05", "5"]]).unwrap_err().message().contains("`2024-01-05` lies outside"));
        state(&mut table, &[("projection.dt.range", "2020-01-01,NOW")]);
        assert!(settings(&table, &[&["2024-04-05", "5"]]).unwrap_err().message().contains("`2024-04-05` lies outside"));
        state(&mut table, &[("projection.dt.format", "yyyyMMdd")]);
        assert!(settings(&table, &[&["2024-01-05", "5"]]).unwrap_err().message().contains("stated format"));
        state(&mut table, &[("projection.n.type", "enum"), ("projection.n.values", "1,2")]);
        assert!(settings(&table, &[&["2024-01-05", "5"]]).unwrap_err().message().contains("`5` lies outside"));
    }

    #[test]
    fn trino_is_stricter() {
        let trino = |ddl_type: &str, value: &str| {
            let mut table = table(&[("p", ddl_type)]);
            table.engines = vec![Engine::Trino { version: None }];
            settings(&table, &[&[value]]).map_err(|error| error.message().to_owned())
        };
        assert!(trino("string", "2024-01").unwrap_err().contains("days, hours"));
        assert!(trino("bigint", "3000000000").unwrap_err().contains("32 bits"));
        assert!(trino("date", "2024-01-05").is_ok());
    }

    #[test]
    fn the_properties_reach_a_table_that_is_there() {
        let made = projected(&table(&[("region", "string")]), &[&["amer"]]).unwrap();
        let text = made.set_properties(&TableName::new(None, "taxes")).text;
        assert!(
            text.starts_with("ALTER TABLE `taxes` SET TBLPROPERTIES (\n  'projection.enabled' = 'true',\n"),
            "{text}"
        );
        assert!(text.contains("'s3://athena/tables/taxes/region=${region}/'"), "{text}");
        sqlparser::parser::Parser::new(&crate::rules::ddl_in::AthenaDialect)
            .try_with_sql(&text)
            .unwrap()
            .parse_statement()
            .unwrap();
    }
}
