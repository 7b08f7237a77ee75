//! The documents of `--json`: every field that is printed is documented in `docs/publishing.md`, and no other is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::here::{Here, TAXES};

#[test]
fn the_fields_of_a_plan_are_those_documented() {
    let mut printed = BTreeSet::new();
    let mut add = |ran: &str| paths(&serde_json::from_str(ran).expect("one document"), "", &mut printed);

    let here = Here::new(TAXES, &["data/amer/1.csv", "data/amer/readme.txt"]);
    add(&here.run("plan --json").ok().stdout);
    here.run("apply --yes").ok();
    add(&here.run("plan --json").ok().stdout);
    here.remove("data");
    let refused = here.run("plan --json").ends(3, &["error: rule 1 of `taxes`"]);
    add(&refused.stdout);
    let document: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(document["refused"], true);
    assert_eq!(document["tables"][0]["refusals"][0]["kind"], "brake");
    here.file("data/amer/1.csv", "1\n");
    here.rules(&TAXES.replace("id bigint", "id string"));
    add(&here.run("plan --json").ok().stdout);
    here.rules(&TAXES.replace("taxes", "other"));
    here.file("data/amer/1.csv", "1\n");
    add(&here.run("plan --json").ok().stdout);

    let here = Here::new(&TAXES.replace("'data/", "'s3://b/data/"), &[]);
    here.file("keys.txt", "data/amer/1.csv\n");
    add(&here.run("plan --json --listing s3://b/=keys.txt").ok().stdout);

    assert_eq!(printed, documented("## The JSON of a plan"));
}

#[test]
fn the_fields_of_a_verification_are_those_documented() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.file("data/amer/2.csv", "1\n");
    let mut printed = BTreeSet::new();
    paths(&serde_json::from_str(&here.run("verify --json").ends(1, &[]).stdout).unwrap(), "", &mut printed);
    assert_eq!(printed, documented("## The JSON of a verification"));
}

#[test]
fn a_plan_says_in_json_what_it_says_in_text() {
    let here = Here::published(&["data/amer/1.csv", "data/test/1.csv"]);
    here.file("data/amer/2.csv", "1\n");
    here.file("data/latam/x y.csv", "1\n");
    here.remove("data/test");
    here.file("data/amer/readme.txt", "1\n");
    let ran = here.run("plan --json --detailed-exitcode --out p.plan").ends(2, &[]);
    assert_eq!(ran.stderr, "");
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&plan["version"], &plan["changes"], &plan["refused"]), (&1.into(), &true.into(), &false.into()));
    let changes: Vec<String> = plan["tables"][0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let text = |field: &str| change[field].to_string().replace('"', "");
            format!("{} {} {} +{} -{}", text("action"), text("key"), text("lines"), text("added"), text("removed"))
        })
        .collect();
    assert_eq!(
        changes,
        [
            "change region=amer/symlink.txt 2 +1 -0",
            "create region=latam/symlink.txt 1 +1 -0",
            "empty region=test/symlink.txt 0 +0 -1",
        ]
    );
    assert_eq!(plan["tables"][0]["changes"][1]["partition"], serde_json::json!({"region": "latam"}));
    assert_eq!(plan["cost"], serde_json::json!({"manifests": 3, "markers": 2, "dollars": 0.0}));
    assert_eq!(plan["left_out"][0]["why"], "unmatched");
    // The id is the saved plan's, so that what was looked at can be told from what is applied.
    let saved = std::fs::read(here.path("p.plan")).unwrap();
    assert!(String::from_utf8_lossy(&saved).contains(plan["id"].as_str().unwrap()));
}

/// Every field of a document: `tables[].changes[].key`. What is below `partition` are columns.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !at.ends_with(".partition") => {
            for (name, value) in fields {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

/// The first column of the table below a heading of the page.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string("docs/publishing.md").unwrap();
    let section = page.split(heading).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}
