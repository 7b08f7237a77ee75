//! The real binary, publishing local folders and registering them in a Hive metastore within this process, of both
//! generations.
#![cfg(all(feature = "cli", feature = "hive"))]

mod hive_server;

use std::process::Command;

use hive_server::subject::Metastore;
use hive_server::{Generation, Server};
use tempfile::TempDir;

const RULES: &str = r#"
[defaults]
location = 'out/{table}/'
engine   = "hive"

[catalog]
type     = "hive"
database = "DATABASE"
uri      = "thrift://ADDRESS"

[table.taxes]
columns        = ["id bigint", "amount double"]
partitioned_by = ["region string"]
format         = "csv"

[[table.taxes.rule]]
match = 'data/{region}/*.csv'
"#;

struct Here {
    folder: TempDir,
}

impl Here {
    fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs it beside the server, and gives what it printed.
    async fn run(&self, arguments: &str, code: i32) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_kept_in_a_metastore() {
    for generation in [Generation::Three, Generation::Four] {
        let server = Server::start(generation).await;
        let metastore = Metastore::at(server.address);
        let database = metastore.place();
        let here = Here { folder: tempfile::tempdir().unwrap() };
        here.file(
            "restitch.toml",
            &RULES.replace("DATABASE", &database).replace("ADDRESS", &server.address.to_string()),
        );
        for region in ["amer", "emea", "it's 100% é"] {
            here.file(&format!("data/{region}/1.csv"), "1,2.0\n");
        }
        let refused = here.run("plan", 3).await;
        assert!(refused.contains("--create-database"), "{refused}");
        here.run("apply --yes --create-database", 0).await;
        here.run("plan --full --detailed-exitcode", 0).await;
        here.run("verify", 0).await;

        metastore
            .edit_table(&database, "taxes", |table| {
                let storage = table.sd.as_mut().unwrap();
                storage.location = Some("file:///elsewhere".into());
                table.owner = Some("ada".into());
            })
            .await;
        let shown = here.run("plan", 0).await;
        assert!(shown.contains("location: file:///elsewhere/ → file:///"), "{shown}");
        here.file("data/latam/1.csv", "1,2.0\n");
        let said = here.run("apply --yes", 0).await;
        assert!(said.contains("1 table and 1 partition registered"), "{said}");
        assert_eq!(metastore.table(&database, "taxes").await.owner.as_deref(), Some("ada"));
        here.run("plan --full --detailed-exitcode", 0).await;
        here.run("verify", 0).await;
    }
}

/// What a metastore would refuse at the end of an apply is said at the plan, as the metastore is set.
#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_type_is_refused_at_the_plan() {
    for generation in [Generation::Three, Generation::Four] {
        let server = Server::start(generation).await;
        let database = Metastore::at(server.address).place();
        let here = Here { folder: tempfile::tempdir().unwrap() };
        let rules = RULES.replace("DATABASE", &database).replace("ADDRESS", &server.address.to_string());
        here.file("restitch.toml", &rules);
        here.file("data/amer/1.csv", "1,2.0\n");
        here.run("apply --yes --create-database", 0).await;
        here.file("restitch.toml", &rules.replace("bigint", "int"));
        let refused = here.run("plan --accept-moves", 3).await;
        assert!(refused.contains("no narrower types") && refused.contains("columns.id: bigint → int"), "{refused}");
        assert!(refused.contains("DROP TABLE taxes"), "{refused}");
        server.take_any_types();
        here.run("apply --yes --accept-moves", 0).await;
        here.run("plan --full --detailed-exitcode", 0).await;
    }
}
