//! `restitch schema`: the JSON Schema of the rule file, made from the same table of keys that reads it.

use serde_json::{Map, Value, json};

use super::{Exit, Global, Output};
use crate::error::Result;
use crate::rules::keys::{self, Key, NAME, Section, Shape};

/// Print the JSON Schema of the rule file, for editors
///
/// Save it beside the rule files and name it in their first line; editors with a TOML language server then complete and
/// check keys:
///
///   restitch schema > restitch.schema.json
///
///   #:schema ./restitch.schema.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct SchemaArgs {}

/// # Errors
/// Those of writing to standard output.
pub async fn run(_: &Global, _: &SchemaArgs) -> Result<Exit> {
    let mut out = Output::bytes();
    writeln!(out, "{}", serde_json::to_string_pretty(&schema()).expect("JSON values print"))?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Draft 2020-12, with nothing in it that the TOML language servers of editors, which know older ones, do not take.
pub fn schema() -> Value {
    let mut schema = section(&keys::FILE);
    let object = schema.as_object_mut().expect("a section is an object");
    object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    object.insert("title".to_owned(), json!("restitch rule file"));
    schema
}

fn section(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.keys.iter().map(|key| (key.name.to_owned(), documented(key))).collect();
    json!({
        "type": "object",
        "description": section.doc,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn documented(key: &Key) -> Value {
    let mut value = shape(&key.shape);
    let object = value.as_object_mut().expect("a shape is an object");
    let example = if key.example.is_empty() { String::new() } else { format!("\n\n{} = {}", key.name, key.example) };
    object.insert("description".to_owned(), json!(format!("{}{example}", key.doc)));
    value
}

fn shape(of: &Shape) -> Value {
    match of {
        Shape::Text { pattern: "", .. } => json!({"type": "string"}),
        Shape::Text { pattern, .. } => json!({"type": "string", "pattern": format!("^(?:{pattern})$")}),
        Shape::Word(words) => json!({"type": "string", "enum": words}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::False => json!({"const": false}),
        Shape::Whole { min, max: i64::MAX } => json!({"type": "integer", "minimum": min}),
        Shape::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Share => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Shape::Scalar => json!({"type": ["string", "integer"]}),
        // TOML's own dates reach a JSON Schema as text.
        Shape::Moment => json!({"type": "string", "format": "date-time"}),
        Shape::List(of) => json!({"type": "array", "items": shape(of)}),
        Shape::Map { names, of } if names.contains("names") => json!({
            "type": "object",
            "propertyNames": {"pattern": format!("^{NAME}$")},
            "additionalProperties": shape(of),
        }),
        Shape::Map { of, .. } => json!({"type": "object", "additionalProperties": shape(of)}),
        Shape::Section(of) => section(of),
        Shape::Sections(of) => json!({"type": "array", "items": section(of)}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(shape).collect::<Vec<_>>()}),
    }
}
