//! Databases, tables and partitions as Glue keeps them: what was put in comes out, with what Glue adds.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::{Fault, Refusal, shape};

pub struct Backend {
    pub databases: BTreeMap<String, Database>,
    pub page_size: usize,
    pub empty_pages: bool,
}

#[derive(Default)]
pub struct Database {
    tables: BTreeMap<String, Table>,
}

pub struct Table {
    /// As GetTable gives it.
    pub body: Value,
    pub partitions: BTreeMap<Vec<String>, Value>,
}

impl Default for Backend {
    fn default() -> Backend {
        Backend { databases: BTreeMap::new(), page_size: 1_000, empty_pages: false }
    }
}

type Answer = Result<Value, Refusal>;

impl Backend {
    pub fn call(&mut self, action: &str, body: &Value, fault: Option<&Fault>) -> Answer {
        let of_table: &[&str] = &["DatabaseName", "TableName"];
        let with = |own: &'static str| [of_table, &[own]].concat();
        match action {
            "GetDatabase" => {
                shape::call(body, &["Name"], &[])?;
                self.in_database(&body["Name"])?;
                Ok(json!({ "Database": { "Name": folded(&body["Name"]) } }))
            }
            "CreateDatabase" => {
                shape::call(body, &["DatabaseInput"], &[])?;
                let name = folded(&body["DatabaseInput"]["Name"]);
                if self.databases.contains_key(&name) {
                    return Err(Refusal("AlreadyExistsException", "Database already exists.".to_owned()));
                }
                self.databases.insert(name, Database::default());
                Ok(json!({}))
            }
            "GetTable" => {
                shape::call(body, &["DatabaseName", "Name"], &[])?;
                Ok(json!({ "Table": self.table_of(&body["DatabaseName"], &body["Name"])?.body }))
            }
            "CreateTable" => self.create_table(body),
            "UpdateTable" => self.update_table(body),
            "GetPartitions" => self.get_partitions(body),
            "BatchGetPartition" => {
                shape::call(body, &with("PartitionsToGet"), &[])?;
                let kept = if let Some(Fault::Unprocessed(kept)) = fault { *kept } else { usize::MAX };
                self.batch_get(body, kept)
            }
            "BatchCreatePartition" => {
                shape::call(body, &with("PartitionInputList"), &[])?;
                self.batch(body, "PartitionInputList", 100, fault, |table, input, values| {
                    shape::partition(input, table.keys())?;
                    if table.partitions.contains_key(&values) {
                        return Err(Refusal("AlreadyExistsException", "Partition already exists.".to_owned()));
                    }
                    table.partitions.insert(values, input.clone());
                    Ok(())
                })
            }
            "BatchUpdatePartition" => {
                shape::call(body, &with("Entries"), &[])?;
                self.batch(body, "Entries", 100, fault, |table, entry, values| {
                    shape::partition(&entry["PartitionInput"], table.keys())?;
                    let there = table.partitions.get_mut(&values).ok_or_else(|| missing("Partition"))?;
                    *there = entry["PartitionInput"].clone();
                    Ok(())
                })
            }
            "BatchDeletePartition" => {
                shape::call(body, &with("PartitionsToDelete"), &[])?;
                self.batch(body, "PartitionsToDelete", 25, fault, |table, _, values| {
                    table.partitions.remove(&values).map(|_| ()).ok_or_else(|| missing("Partition"))
                })
            }
            _ => Err(Refusal("UnknownOperationException", action.to_owned())),
        }
    }

    pub fn table(&mut self, database: &str, name: &str) -> Result<&mut Table, Refusal> {
        self.table_of(&Value::from(database), &Value::from(name))
    }

    pub fn edit(&mut self, database: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let tables = &mut self.databases.entry(database.to_lowercase()).or_default().tables;
        let new = || Table { body: json!({ "Name": name, "DatabaseName": database }), partitions: BTreeMap::new() };
        let table = tables.entry(name.to_lowercase()).or_insert_with(new);
        change(&mut table.body);
        table.body["VersionId"] = next_version(&table.body);
    }

    fn in_database(&mut self, name: &Value) -> Result<&mut Database, Refusal> {
        let missing = || Refusal("EntityNotFoundException", format!("Database {name} not found."));
        self.databases.get_mut(&folded(name)).ok_or_else(missing)
    }

    fn table_of(&mut self, database: &Value, name: &Value) -> Result<&mut Table, Refusal> {
        self.in_database(database)?.tables.get_mut(&folded(name)).ok_or_else(|| missing("Table"))
    }

    fn create_table(&mut self, body: &Value) -> Answer {
        shape::call(body, &["DatabaseName", "TableInput"], &[])?;
        shape::table(&body["TableInput"])?;
        let name = folded(&body["TableInput"]["Name"]);
        let database = folded(&body["DatabaseName"]);
        let tables = &mut self.in_database(&body["DatabaseName"])?.tables;
        if tables.contains_key(&name) {
            return Err(Refusal("AlreadyExistsException", "Table already exists.".to_owned()));
        }
        let mut table = body["TableInput"].clone();
        added(&mut table, &name, &database, Value::from("0"));
        tables.insert(name, Table { body: table, partitions: BTreeMap::new() });
        Ok(json!({}))
    }

    /// The whole table is what the input says; what it leaves out is gone.
    fn update_table(&mut self, body: &Value) -> Answer {
        shape::call(body, &["DatabaseName", "TableInput", "VersionId"], &["SkipArchive"])?;
        shape::table(&body["TableInput"])?;
        let (name, database) = (folded(&body["TableInput"]["Name"]), folded(&body["DatabaseName"]));
        let table = self.table_of(&body["DatabaseName"], &body["TableInput"]["Name"])?;
        if body["VersionId"] != table.body["VersionId"] {
            let message = "Update table failed due to concurrent modifications.".to_owned();
            return Err(Refusal("ConcurrentModificationException", message));
        }
        let version = next_version(&table.body);
        table.body = body["TableInput"].clone();
        added(&mut table.body, &name, &database, version);
        Ok(json!({}))
    }

    fn get_partitions(&mut self, body: &Value) -> Answer {
        let optional = ["Segment", "MaxResults", "NextToken", "Expression", "ExcludeColumnSchema"];
        shape::call(body, &["DatabaseName", "TableName"], &optional)?;
        let (number, total) = segment(&body["Segment"])?;
        let asked = body["MaxResults"].as_u64().unwrap_or(1_000) as usize;
        if !(1..=1_000).contains(&asked) {
            return Err(shape::invalid("MaxResults is 1 to 1000"));
        }
        let (size, empty_pages) = (asked.min(self.page_size), self.empty_pages);
        // A token is of one scan only: of that table, in that segment.
        let scan = format!("{}/{}/{number}/{total}/", folded(&body["DatabaseName"]), folded(&body["TableName"]));
        let at = match body["NextToken"].as_str() {
            None => 0,
            Some(token) => token
                .strip_prefix(&scan)
                .and_then(|at| at.parse().ok())
                .ok_or_else(|| shape::invalid("NextToken is of another scan"))?,
        };
        let table = self.table_of(&body["DatabaseName"], &body["TableName"])?;
        let of_segment = |values: &&Vec<String>| {
            let mut hasher = DefaultHasher::new();
            values.hash(&mut hasher);
            hasher.finish() % total == number
        };
        let all: Vec<&Value> =
            table.partitions.iter().filter(|(values, _)| of_segment(values)).map(|(_, partition)| partition).collect();
        // Where pages may be empty, every second one is.
        let (page, next): (Vec<&Value>, usize) = match (empty_pages, at % 2) {
            (true, 0) => (Vec::new(), at + 1),
            (true, _) => (all.iter().skip(at / 2 * size).take(size).copied().collect(), at + 1),
            (false, _) => (all.iter().skip(at * size).take(size).copied().collect(), at + 1),
        };
        let seen = if empty_pages { next / 2 * size } else { next * size };
        let mut answer = json!({ "Partitions": page });
        if seen < all.len() {
            answer["NextToken"] = Value::from(format!("{scan}{next}"));
        }
        Ok(answer)
    }

    fn batch_get(&mut self, body: &Value, kept: usize) -> Answer {
        let asked = items(body, "PartitionsToGet", 1_000)?;
        let table = self.table_of(&body["DatabaseName"], &body["TableName"])?;
        let (now, later) = asked.split_at(kept.min(asked.len()));
        let mut found = Vec::new();
        for key in now {
            let values = shape::values(&key["Values"], table.keys())?;
            found.extend(table.partitions.get(&values));
        }
        Ok(json!({ "Partitions": found, "UnprocessedKeys": later }))
    }

    /// Does `one` to each item; what it refuses is told in the answer.
    fn batch(
        &mut self,
        body: &Value,
        list: &str,
        limit: usize,
        fault: Option<&Fault>,
        one: impl Fn(&mut Table, &Value, Vec<String>) -> Result<(), Refusal>,
    ) -> Answer {
        let items = items(body, list, limit)?;
        let values_name = if list == "Entries" { "PartitionValueList" } else { "Values" };
        let told = if list == "Entries" { "PartitionValueList" } else { "PartitionValues" };
        let table = self.table_of(&body["DatabaseName"], &body["TableName"])?;
        let mut errors = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let scripted = match fault {
                Some(Fault::Items(indices, code)) if indices.contains(&index) => Some(*code),
                _ => None,
            };
            let done = match scripted {
                Some(code) => Err(Refusal(code, "as the test's script says".to_owned())),
                None => shape::values(&item[values_name], table.keys()).and_then(|values| one(table, item, values)),
            };
            if let Err(Refusal(code, message)) = done {
                let detail = json!({ "ErrorCode": code, "ErrorMessage": message });
                errors.push(json!({ told: item[values_name], "ErrorDetail": detail }));
            }
        }
        Ok(json!({ "Errors": errors }))
    }
}

impl Table {
    fn keys(&self) -> usize {
        self.body["PartitionKeys"].as_array().map_or(0, Vec::len)
    }
}

/// What Glue adds to a table's input.
fn added(table: &mut Value, name: &str, database: &str, version: Value) {
    table["Name"] = Value::from(name);
    table["DatabaseName"] = Value::from(database);
    table["VersionId"] = version;
    table["CreateTime"] = json!(1_795_000_000.0);
    table["UpdateTime"] = json!(1_795_000_000.0);
    table["CreatedBy"] = Value::from("arn:aws:iam::123456789012:user/test");
    table["CatalogId"] = Value::from("123456789012");
    table["IsRegisteredWithLakeFormation"] = Value::from(false);
}

fn next_version(table: &Value) -> Value {
    let version: u64 = table["VersionId"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0);
    Value::from((version + 1).to_string())
}

fn items<'b>(body: &'b Value, list: &str, limit: usize) -> Result<&'b [Value], Refusal> {
    let items = body[list].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() || items.len() > limit {
        let message =
            format!("Value at '{list}' failed to satisfy constraint: 1 to {limit} members, not {}", items.len());
        return Err(Refusal("ValidationException", message));
    }
    Ok(items)
}

fn segment(segment: &Value) -> Result<(u64, u64), Refusal> {
    if segment.is_null() {
        return Ok((0, 1));
    }
    match (segment["SegmentNumber"].as_u64(), segment["TotalSegments"].as_u64()) {
        (Some(number), Some(total)) if total <= 10 && number < total => Ok((number, total)),
        _ => Err(shape::invalid("Segment: a number from 0 below a total of 1 to 10")),
    }
}

fn folded(name: &Value) -> String {
    name.as_str().unwrap_or("").to_lowercase()
}

fn missing(what: &str) -> Refusal {
    Refusal("EntityNotFoundException", format!("{what} not found."))
}
