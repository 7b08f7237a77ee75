//! The rule file that does what `lakectl metastore create-symlink` did, as text. Pure.

use crate::rules::table::Column;
use crate::rules::template::PieceKind;

/// What the flags and `~/.lakectl.yaml` say.
pub struct Wanted<'a> {
    pub repo: &'a str,
    pub branch: &'a str,
    /// Without slashes at its ends.
    pub path: &'a str,
    /// The table that is copied, as `like` names it.
    pub like: &'a str,
    /// In lower case.
    pub database: &'a str,
    /// In lower case.
    pub table: &'a str,
    /// `region`, `profile`, `catalog_id` of Glue, where they are said.
    pub glue: [(&'static str, Option<&'a str>); 3],
    /// Whether lakeFS itself is listed: a listing that is handed in may lack any line.
    pub live: bool,
}

/// The text; `keys` are the partition keys of the table that is copied.
pub fn text(wanted: &Wanted<'_>, keys: &[Column]) -> String {
    let Wanted { repo, branch, path, like, database, table, glue, live } = wanted;
    let stated = glue.iter().filter_map(|(key, value)| Some(format!("{key:<10} = {}\n", quoted((*value)?))));
    let stated: String = stated.collect();
    let header = key(table);
    let location = quoted(&format!("{{storage_namespace}}/symlinks/{repo}/{branch}/{path}/"));
    let template = quoted(&template(&format!("{repo}/{branch}/{path}/"), keys));
    let (database, like) = (quoted(database), quoted(like));
    let brake = match live {
        true => "# A commit's listing is whole or an error: however many lines go, they go.\nmax_removed = \"100%\"\n",
        false => "",
    };
    let directories = if keys.is_empty() {
        "Every object below the path but hidden and empty ones.".to_owned()
    } else {
        let names: Vec<String> = keys.iter().map(|key| format!("{}=…", key.name)).collect();
        format!(
            "Objects in directories named {}/. The first name stands in a hole, so that all\n# of the path is listed, and what \
             lies elsewhere in it is counted as unmatched.",
            names.join("/")
        )
    };
    format!(
        "\
# What `restitch create-symlink` does, as rules: `restitch plan` shows, `restitch apply` does the same.

[catalog]
type       = \"glue\"
database   = {database}
{stated}
[table.{header}]
# Columns, serde, properties and partition keys are those of this table, looked up in every run.
like       = {like}
# Where lakectl put manifests: beside the data that lakeFS keeps.
location   = {location}
partitions = \"registered\"
# Manifests change where they are. Where lines move between partitions they are taken away before they are added.
publish    = \"refresh\"
moves      = \"accept\"
# Objects in directories with a value that the key's type does not hold are left out, and counted.
strict_values = true
{brake}
# {directories}
[[table.{header}.rule]]
match = {template}
"
    )
}

/// `match` for everything below `path`, which ends in `/`. Names of columns are names of captures, or reading the rules says
/// what is wrong with them.
fn template(path: &str, keys: &[Column]) -> String {
    let directories = keys.iter().enumerate().map(|(number, Column { name, .. })| match number {
        0 => format!("{{_:re({})}}={{{name}:hive}}/", regex_syntax::escape(name)),
        _ => format!("{}={{{name}:hive}}/", literal(name)),
    });
    format!("lakefs://{}{}**", literal(path), directories.collect::<String>())
}

/// Text that means itself in a template.
fn literal(text: &str) -> String {
    PieceKind::Text(text.to_owned()).to_string()
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    if !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rules::given::Given;
    use crate::rules::{Definition, load_with};
    use crate::uri::Uri;

    fn keys(names: &[&str]) -> Vec<Column> {
        let column = |name: &&str| Column { name: (*name).to_owned(), ddl_type: "string".to_owned(), comment: None };
        names.iter().map(column).collect()
    }

    /// Where the rules of such a text put the manifests, and whether they have mistakes.
    fn loaded(path: &str, table: &str, names: &[&str]) -> (String, Uri) {
        let like = "hive:thrift://metastore/db.t";
        let glue = [("region", Some("eu-west-1")), ("profile", None), ("catalog_id", Some("012345678901"))];
        let wanted = Wanted { repo: "repo", branch: "main", path, like, database: "db", table, glue, live: true };
        let text = text(&wanted, &keys(names));
        let read = |given: &Given| load_with(&text, Path::new("r.toml"), Path::new("/"), &|_| unreachable!(), given);
        let mut given = Given::default();
        let definition = Definition {
            columns: keys(&["id"]),
            partitioned_by: keys(names),
            format: crate::rules::format::format(Some("csv"), &crate::rules::format::FormatOptions::default()).ok(),
            ..Definition::default()
        };
        let lacking = read(&given);
        lacking.lacking.into_iter().for_each(|like| given.define(like, Ok(definition.clone())));
        for repository in lacking.lacking_namespaces {
            given.place(repository, Ok(Uri::parse("s3://bucket/ns/").unwrap()));
        }
        let loaded = read(&given);
        let rules = loaded.rules.unwrap_or_else(|| panic!("{text}\n{:?}", loaded.diagnostics));
        let listed = crate::rules::listed(&rules.tables[0].rules[0]);
        assert_eq!(listed, [Uri::parse(&format!("lakefs://repo/main/{path}/")).unwrap()], "{text}");
        let location = rules.tables[0].location.clone().unwrap();
        (text, location)
    }

    #[test]
    fn the_whole_path_is_listed_whatever_names_there_are() {
        let (text, location) = loaded("my_table", "my_table", &["year", "month"]);
        assert!(
            text.contains("match = 'lakefs://repo/main/my_table/{_:re(year)}={year:hive}/month={month:hive}/**'\n"),
            "{text}"
        );
        assert_eq!(location.raw(), "s3://bucket/ns/symlinks/repo/main/my_table/");
        loaded("my_table", "my_table", &[]);
        loaded("a/it's [odd]/x", "its", &["_year", "month"]);
    }

    #[test]
    fn texts_of_toml_are_quoted() {
        assert_eq!([quoted("a\\"), quoted("it's \"\n\\")], ["'a\\'", "\"it's \\\"\\u000A\\\\\""]);
        assert_eq!([key("a-b_1"), key("a.b"), key("")], ["a-b_1", "'a.b'", "''"]);
    }
}
