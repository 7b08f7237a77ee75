//! What Glue's inputs may look like: their fields, which of them must be there, and how long they may be.

use serde_json::Value;

use super::Refusal;

const TABLE_INPUT: &[&str] = &[
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
    "ViewDefinition",
];
const PARTITION_INPUT: &[&str] = &["Values", "LastAccessTime", "StorageDescriptor", "Parameters", "LastAnalyzedTime"];
const STORAGE: &[&str] = &[
    "Columns",
    "Location",
    "AdditionalLocations",
    "InputFormat",
    "OutputFormat",
    "Compressed",
    "NumberOfBuckets",
    "SerdeInfo",
    "BucketColumns",
    "SortColumns",
    "Parameters",
    "SkewedInfo",
    "StoredAsSubDirectories",
    "SchemaReference",
];
const SERDE: &[&str] = &["Name", "SerializationLibrary", "Parameters"];
const COLUMN: &[&str] = &["Name", "Type", "Comment", "Parameters"];

const MAX_NAME_BYTES: usize = 255;
const MAX_LOCATION_BYTES: usize = 2_056;
const MAX_DESCRIPTION_BYTES: usize = 2_048;
const MAX_COMMENT_BYTES: usize = 255;
const MAX_PARAMETER_BYTES: usize = 512_000;

/// A call's own fields.
pub fn call(body: &Value, required: &[&str], optional: &[&str]) -> Result<(), Refusal> {
    let allowed: Vec<&str> = [required, optional, &["CatalogId"]].concat();
    fields(body, &allowed, "the request")?;
    let missing = required.iter().find(|name| body[**name].is_null());
    missing.map_or(Ok(()), |name| Err(invalid(format!("{name} is required"))))
}

pub fn table(input: &Value) -> Result<(), Refusal> {
    fields(input, TABLE_INPUT, "TableInput")?;
    name(&input["Name"], "TableInput.Name")?;
    if input["TableType"] != "EXTERNAL_TABLE" {
        return Err(invalid("TableType: Athena fails on a table that is not EXTERNAL_TABLE"));
    }
    length(&input["Description"], MAX_DESCRIPTION_BYTES, "Description")?;
    columns(&input["PartitionKeys"])?;
    parameters(&input["Parameters"])?;
    if input["Parameters"]["EXTERNAL"] != "TRUE" {
        return Err(invalid("Parameters: EXTERNAL is not TRUE"));
    }
    storage(&input["StorageDescriptor"])
}

/// A partition of a table with so many keys.
pub fn partition(input: &Value, keys: usize) -> Result<(), Refusal> {
    fields(input, PARTITION_INPUT, "PartitionInput")?;
    values(&input["Values"], keys)?;
    parameters(&input["Parameters"])?;
    storage(&input["StorageDescriptor"])
}

pub fn values(values: &Value, keys: usize) -> Result<Vec<String>, Refusal> {
    let values: Vec<String> =
        values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if values.len() != keys {
        return Err(invalid("The number of partition keys do not match the number of partition values"));
    }
    Ok(values)
}

fn storage(storage: &Value) -> Result<(), Refusal> {
    fields(storage, STORAGE, "StorageDescriptor")?;
    length(&storage["Location"], MAX_LOCATION_BYTES, "Location")?;
    for required in ["Location", "InputFormat", "OutputFormat"] {
        if storage[required].as_str().unwrap_or("").is_empty() {
            return Err(invalid(format!("StorageDescriptor.{required} is missing")));
        }
    }
    let serde = &storage["SerdeInfo"];
    fields(serde, SERDE, "SerdeInfo")?;
    name(&serde["Name"], "SerdeInfo.Name")?;
    name(&serde["SerializationLibrary"], "SerdeInfo.SerializationLibrary")?;
    parameters(&serde["Parameters"])?;
    columns(&storage["Columns"])
}

fn columns(columns: &Value) -> Result<(), Refusal> {
    let Some(columns) = columns.as_array() else { return Err(invalid("columns are a list")) };
    for column in columns {
        fields(column, COLUMN, "Column")?;
        name(&column["Name"], "Column.Name")?;
        if column["Name"].as_str().is_some_and(|name| name != name.to_lowercase()) {
            return Err(invalid("Column.Name: Athena fails on capitals"));
        }
        length(&column["Comment"], MAX_COMMENT_BYTES, "Column.Comment")?;
    }
    Ok(())
}

fn parameters(parameters: &Value) -> Result<(), Refusal> {
    for (key, value) in parameters.as_object().into_iter().flatten() {
        name(&Value::from(key.as_str()), "a parameter's name")?;
        if !value.is_string() {
            return Err(invalid("a parameter's value is text"));
        }
        length(value, MAX_PARAMETER_BYTES, "a parameter's value")?;
    }
    Ok(())
}

fn fields(of: &Value, allowed: &[&str], what: &str) -> Result<(), Refusal> {
    let Some(fields) = of.as_object() else { return Err(invalid(format!("{what} is required"))) };
    let unknown = fields.keys().find(|name| !allowed.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(invalid(format!("{what} has no field {name}"))))
}

fn name(value: &Value, what: &str) -> Result<(), Refusal> {
    if value.as_str().unwrap_or("").is_empty() {
        return Err(invalid(format!("{what} is missing")));
    }
    length(value, MAX_NAME_BYTES, what)
}

fn length(value: &Value, max: usize, what: &str) -> Result<(), Refusal> {
    let is_long = value.as_str().is_some_and(|text| text.len() > max);
    if is_long { Err(invalid(format!("{what} is longer than {max}"))) } else { Ok(()) }
}

pub fn invalid(message: impl Into<String>) -> Refusal {
    Refusal("InvalidInputException", message.into())
}
