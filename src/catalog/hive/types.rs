//! Which changes of a column's type a metastore takes. Pure.
//!
//! By Hive's `ColumnType.areColTypesCompatible`: the first words of both types are compared, whatever stands in brackets.

use crate::plan::catalog::{CatalogColumn, FieldChange};

/// Each holds the values of those before it.
const NUMBERS: [&str; 7] = ["tinyint", "smallint", "int", "bigint", "decimal", "float", "double"];
const STRINGS: [&str; 3] = ["string", "char", "varchar"];
const TIMES: [&str; 2] = ["date", "timestamp"];

/// The change, if it is one that is refused.
pub(super) fn refused(old: &CatalogColumn, new: &CatalogColumn) -> Option<FieldChange> {
    let is_taken = is_taken(first_word(&old.hive_type), first_word(&new.hive_type));
    (!is_taken).then(|| FieldChange {
        field: format!("columns.{}", new.name),
        old: Some(old.hive_type.clone()),
        new: Some(new.hive_type.clone()),
    })
}

fn is_taken(old: &str, new: &str) -> bool {
    let place = |name: &str| NUMBERS.iter().position(|number| *number == name);
    let is_string = STRINGS.contains(&new);
    match (place(old), place(new)) {
        _ if old == new || old == "void" => true,
        (Some(old), Some(new)) => old < new,
        (Some(_), None) => is_string,
        _ if STRINGS.contains(&old) => is_string || new == "double",
        _ => TIMES.contains(&old) && is_string,
    }
}

fn first_word(hive_type: &str) -> &str {
    let end = hive_type.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(hive_type.len());
    match &hive_type[..end] {
        "integer" => "int",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_may_only_grow() {
        let column = |hive_type: &str| CatalogColumn { name: "c".into(), hive_type: hive_type.into(), comment: None };
        let is_refused = |old: &str, new: &str| refused(&column(old), &column(new)).is_some();
        for (narrow, wide) in [
            ("int", "bigint"),
            ("bigint", "decimal(10,2)"),
            ("float", "double"),
            ("int", "string"),
            ("date", "string"),
            ("void", "boolean"),
        ] {
            assert_eq!((is_refused(narrow, wide), is_refused(wide, narrow)), (false, true), "{narrow} {wide}");
        }
        let taken =
            [("decimal(10,2)", "decimal(4,0)"), ("struct<a:int>", "struct<b:string>"), ("string", "varchar(3)")];
        assert!(taken.iter().all(|(old, new)| !is_refused(old, new)));
        assert!(
            is_refused("struct<a:int>", "string") && is_refused("boolean", "string") && !is_refused("string", "double")
        );
    }
}
