//! A folder with a rule file and data in it, and restitch run there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// One table by region, of the CSV files below `data/`.
pub const TAXES: &str = r#"
[table.taxes]
location       = 'out/taxes/'
columns        = ["id bigint"]
partitioned_by = ["region string"]
format         = "csv"
[[table.taxes.rule]]
match = 'data/{region}/*.csv'
"#;

pub struct Here {
    folder: TempDir,
}

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Here {
    /// A folder with this rule file, and these files, each with a line in it.
    pub fn new(rules: &str, files: &[&str]) -> Here {
        let here = Here { folder: tempfile::tempdir().unwrap() };
        here.rules(rules);
        files.iter().for_each(|file| here.file(file, "1\n"));
        here
    }

    /// The example of most tests: [`TAXES`], published.
    pub fn published(files: &[&str]) -> Here {
        let here = Here::new(TAXES, files);
        here.run("apply --yes").ok();
        here
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn rules(&self, text: &str) {
        self.file("restitch.toml", text);
    }

    /// Writes a file and the folders above it.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Moves a file's time into the past.
    pub fn age(&self, name: &str, hours: u64) {
        let file = fs::File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3_600)).unwrap();
    }

    /// Every file below `name`: its path from there, its text, and its inode, which every write changes.
    pub fn files(&self, name: &str) -> BTreeMap<String, (String, u64)> {
        let mut found = BTreeMap::new();
        walk(&self.path(name), &mut |path| {
            use std::os::unix::fs::MetadataExt;
            let below = path.strip_prefix(self.path(name)).unwrap().to_str().unwrap().to_owned();
            found.insert(below, (fs::read_to_string(path).unwrap(), fs::metadata(path).unwrap().ino()));
        });
        found
    }

    /// The manifests below `out/`, with the folder's own path taken out of their lines.
    pub fn manifests(&self) -> BTreeMap<String, String> {
        let root = format!("file://{}/", self.folder.path().canonicalize().unwrap().display());
        let raw = format!("file://{}/", self.folder.path().display());
        let files = self.files("out").into_iter().filter(|(name, _)| name.ends_with("symlink.txt"));
        files.map(|(name, (text, _))| (name, text.replace(&root, "").replace(&raw, ""))).collect()
    }

    pub fn marker(&self, location: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(&format!("{location}/_restitch.json"))).unwrap()
    }

    /// The command, ready to run here without a terminal; words are split at spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &str) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub fn start(&self, arguments: &str) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs a line of shell with `restitch` on its path.
    pub fn shell(&self, line: &str) -> Ran {
        let binary = Path::new(env!("CARGO_BIN_EXE_restitch")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.folder.path()).env("PATH", path).stdin(Stdio::null());
        Ran::of(shell.output().unwrap())
    }

    /// Plans, applies, and plans again: then nothing may be left to do, and not one file may be written.
    pub fn settles(&self) {
        self.run("apply --yes").ok();
        let before = self.files("out");
        let again = self.run("plan --detailed-exitcode");
        assert_eq!(again.code, 0, "{again}");
        self.run("apply --yes").ok();
        assert_eq!(self.files("out"), before, "no change, not one write");
    }
}

/// Sends a signal to a run.
pub fn send(signal: &str, run: &Child) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &run.id().to_string()]).status().unwrap().success());
}

fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
        let text = |bytes| String::from_utf8(bytes).expect("what is printed is text");
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> Ran {
        self.ends(0, &[])
    }

    /// Ends with this code, and prints each of these pieces somewhere.
    #[track_caller]
    pub fn ends(self, code: i32, pieces: &[&str]) -> Ran {
        assert_eq!(self.code, code, "{self}");
        // Where a line is broken does not count.
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (stdout, stderr) = (joined(&self.stdout), joined(&self.stderr));
        for piece in pieces.iter().map(|piece| joined(piece)) {
            assert!(stdout.contains(&piece) || stderr.contains(&piece), "{piece:?} is missing\n{self}");
        }
        self
    }

    #[track_caller]
    pub fn without(self, piece: &str) -> Ran {
        assert!(!self.stdout.contains(piece) && !self.stderr.contains(piece), "{piece:?} is there\n{self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
