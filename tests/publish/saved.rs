//! Saved plans: what is in them, that exactly that is done, and everything that makes them stale.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::here::{Here, TAXES};

/// A published table, a new file, and the plan for it in `p.plan`.
fn saved() -> Here {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv"]);
    here.file("data/emea/2.csv", "1\n");
    here.file("data/latam/1.csv", "1\n");
    here.run("plan --out p.plan").ends(0, &["saved; to do exactly this: restitch apply p.plan"]);
    here
}

#[test]
fn a_saved_plan_is_private_and_does_exactly_what_it_showed() {
    let here = saved();
    assert_eq!(fs::metadata(here.path("p.plan")).unwrap().permissions().mode() & 0o777, 0o600);
    // What has come since is not in it, and nothing is listed for it.
    here.file("data/apac/1.csv", "1\n");
    here.remove("data/emea/2.csv");
    let ran =
        here.run("apply p.plan").ends(0, &["+ region=latam", "~ region=emea", "✓ 2 manifests written", "'latam'"]);
    ran.without("listing").without("apac");
    let manifests = here.manifests();
    assert_eq!(manifests["taxes/region=emea/symlink.txt"], "data/emea/1.csv\ndata/emea/2.csv\n");
    assert!(!manifests.contains_key("taxes/region=apac/symlink.txt"));
    here.run("apply p.plan").ends(0, &["carried out already"]);
    assert_eq!(here.manifests(), manifests);
}

#[test]
fn a_saved_plan_finds_its_rule_file_and_its_store_from_anywhere() {
    let here = saved();
    let plan = here.path("p.plan");
    here.shell(&format!("cd / && restitch apply {}", plan.display())).ends(0, &["✓ 2 manifests written"]);
}

#[test]
fn the_rule_file_may_have_moved_but_its_tables_not() {
    let here = saved();
    fs::rename(here.path("restitch.toml"), here.path("moved.toml")).unwrap();
    here.run("apply p.plan").ends(1, &["there is no rule file", "restitch.toml"]);
    here.run("apply p.plan -f moved.toml").ends(0, &["✓ 2 manifests written"]);
}

#[test]
fn no_credentials_are_in_a_saved_plan() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    let secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
    let mut command = here.command("plan --out p.plan");
    command.env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    assert!(command.status().unwrap().success());
    let bytes = fs::read(here.path("p.plan")).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let head: serde_json::Value = serde_json::from_slice(&bytes[..end]).unwrap();
    assert_eq!(head["rule_file"].as_str().unwrap(), here.path("restitch.toml").to_str().unwrap());
    let bodies = String::from_utf8(zstd::decode_all(&bytes[end + 1..]).unwrap()).unwrap();
    assert!(bodies.starts_with("file:///") && bodies.ends_with("data/amer/1.csv\n"), "{bodies}");
    for text in [head.to_string(), bodies] {
        assert!(!text.contains(secret) && !text.contains("AKIA"), "{text}");
    }
}

#[test]
fn a_marker_that_another_run_wrote_makes_it_stale() {
    let here = saved();
    here.file("data/apac/1.csv", "1\n");
    here.run("apply --yes").ok();
    let before = here.files("out");
    here.run("apply p.plan").ends(4, &["no longer fits what is published", "`restitch plan` again"]);
    assert_eq!(here.files("out"), before);
}

#[test]
fn a_manifest_that_another_hand_wrote_makes_it_stale() {
    for (manifest, code) in [("emea", 4), ("latam", 4), ("amer", 0)] {
        let here = saved();
        here.file(&format!("out/taxes/region={manifest}/symlink.txt"), "s3://b/x\n");
        let before = here.files("out");
        let ran = here.run("apply p.plan");
        if code == 0 {
            // It would not have been changed, so that it is none of this plan's business.
            ran.ends(0, &["✓ 2 manifests written"]);
        } else {
            let message = format!("region={manifest}/symlink.txt changed since the plan was made");
            ran.ends(4, &[&message, "nothing was written", "`restitch plan` again"]);
            assert_eq!(here.files("out"), before);
        }
    }
}

#[test]
fn a_manifest_that_has_gone_makes_it_stale() {
    let here = saved();
    here.remove("out/taxes/region=emea");
    here.run("apply p.plan").ends(4, &["region=emea/symlink.txt changed since"]);
    assert!(!here.path("out/taxes/region=latam").exists());
}

#[test]
fn rules_that_say_something_else_make_it_stale() {
    let changes: [(&str, &str); 5] = [
        ("data/{region}/*.csv", "data/{region}/*"),
        ("id bigint", "id bigint\", \"name string"),
        ("\"csv\"", "\"tsv\""),
        ("'out/taxes/'", "'elsewhere/taxes/'"),
        ("table.taxes", "table.levies"),
    ];
    for (from, to) in changes {
        let here = saved();
        let before = here.files("out");
        here.rules(&TAXES.replace(from, to));
        here.run("apply p.plan").ends(4, &["says of `taxes` has changed since the plan was made"]);
        assert_eq!(here.files("out"), before, "{to}");
        assert!(!here.path("elsewhere").exists());
    }
}

#[test]
fn a_lookup_that_changed_makes_it_stale() {
    let rules = |name: &str| {
        let rules = TAXES.replace("*.csv'", "*.csv'\nset = { region = \"{region|lookup(names)}\" }");
        format!("{rules}\n[lookup.names]\namer = \"{name}\"\n")
    };
    let here = Here::new(&rules("Americas"), &["data/amer/1.csv"]);
    here.run("plan --out p.plan").ok();
    here.rules(&rules("America"));
    here.run("apply p.plan").ends(4, &["has changed since the plan was made"]);
    here.rules(&rules("Americas"));
    here.run("apply p.plan").ok();
    assert!(here.manifests().contains_key("taxes/region=Americas/symlink.txt"));
}

#[test]
fn what_the_file_says_of_others_does_not_matter() {
    let here = saved();
    let other = TAXES.replace("taxes", "other");
    here.rules(&format!("# a remark\n{other}{TAXES}"));
    here.run("apply p.plan").ends(0, &["✓ 2 manifests written"]);
}

#[test]
fn a_plan_that_was_cut_off_goes_on() {
    let here = saved();
    // As a kill behind the first of two manifests leaves it.
    let plan = fs::read_to_string(here.path("p.plan")).unwrap_or_else(|_| {
        let bytes = fs::read(here.path("p.plan")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let head: serde_json::Value = serde_json::from_str(plan.lines().next().unwrap()).unwrap();
    let mut marker = here.marker("out/taxes");
    marker["unfinished"] = serde_json::json!({"plan": head["id"]});
    here.file("out/taxes/_restitch.json", &marker.to_string());
    let root = here.path("").canonicalize().unwrap();
    here.file("out/taxes/region=latam/symlink.txt", &format!("file://{}/data/latam/1.csv\n", root.display()));
    let before = here.files("out");
    here.run("apply p.plan").ok();
    assert_eq!(here.files("out")["taxes/region=latam/symlink.txt"].0, before["taxes/region=latam/symlink.txt"].0);
    assert_eq!(here.manifests()["taxes/region=emea/symlink.txt"].lines().count(), 2);
    assert!(here.marker("out/taxes").get("unfinished").is_none());
}

#[test]
fn a_listing_may_grow_too_old_for_it() {
    let here = Here::new(&TAXES.replace("format ", "max_listing_age = \"1s\"\nformat "), &["data/amer/1.csv"]);
    here.run("plan --out p.plan").ok();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    here.run("apply p.plan").ends(3, &["max_listing_age is 1 s"]);
}

#[test]
fn what_is_no_plan_is_refused() {
    let here = saved();
    here.run("apply nothing.plan").ends(1, &["nothing.plan", "no such file"]);
    here.run("apply restitch.toml").ends(1, &["is no plan that restitch saved", "restitch plan --out FILE"]);
    here.run("apply p.plan --listing keys.txt").ends(1, &["nothing is listed for it"]);
    for flag in ["--adopt", "--accept-moves", "--allow-removals", "--allow-empty", "--unmatched=u.txt"] {
        here.run(&format!("apply p.plan {flag}")).ends(1, &["cannot be used with"]);
    }
    let bytes = fs::read(here.path("p.plan")).unwrap();
    fs::write(here.path("short.plan"), &bytes[..bytes.len() - 5]).unwrap();
    here.run("apply short.plan").ends(1, &["is no plan that restitch saved", "it is not whole"]);
    let mut other = bytes.clone();
    let at = other.len() - 10;
    other[at] ^= 1;
    fs::write(here.path("other.plan"), other).unwrap();
    here.run("apply other.plan").ends(1, &["is no plan that restitch saved"]);
    let old = String::from_utf8_lossy(&bytes[..]).replace("{\"restitch_plan\":1,", "{\"restitch_plan\":99,");
    fs::write(here.path("old.plan"), old).unwrap();
    here.run("apply old.plan").ends(1, &["saved by another version"]);
    assert_eq!(here.manifests().len(), 2);
}

#[test]
fn a_refused_plan_is_not_saved() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.rules(&TAXES.replace("*.csv'", "*.csv'\nset = { region = \"all\" }").replace("{region}", "{_}"));
    here.run("plan --out p.plan").ends(3, &["move between partitions", "--accept-moves"]).without("saved;");
    assert!(!here.path("p.plan").exists());
    here.run("plan --out p.plan --accept-moves").ok();
    here.run("apply p.plan").ends(0, &["✓ 2 manifests written"]);
    assert_eq!(here.manifests()["taxes/region=amer/symlink.txt"], "");
}

#[test]
fn a_plan_that_cannot_be_saved_leaves_no_file() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    here.run("plan --out no/such/folder/p.plan").ends(1, &["the plan no/such/folder/p.plan"]);
    let long: String = (0..2_000).map(|number| format!("data/amer/{number}-of-many.csv ")).collect();
    long.split_whitespace().for_each(|name| here.file(name, "1\n"));
    let before = here.files(".").len();
    here.shell("trap '' XFSZ; ulimit -f 2; exec restitch plan --out p.plan").ends(1, &["the plan p.plan"]);
    assert_eq!(here.files(".").len(), before, "neither the plan nor a part of it");
    // A plan takes its name's place, and so would take a device's.
    here.shell("mkfifo pipe && exec restitch plan --out pipe").ends(1, &["the plan pipe", "no file", "--out"]);
    here.shell("test -p pipe").ok();
}
