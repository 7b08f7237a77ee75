//! Every `console` block of the documentation is run, in a copy of the examples, and must print what stands there.
//!
//! A line `$ …` is run by the shell with standard error behind standard output; what follows is what it prints. `…` stands
//! for any text, alone on a line for any lines. The copy is called /home/ada/restitch. Blocks marked `console ignore`
//! show what needs a cloud or a compiler; `cargo run … --` stands for the binary, which is built already.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the folder of the copy is called in the documentation.
const HOME: &str = "/home/ada/restitch";

#[test]
fn the_documentation_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "rules/README.md"].map(|page| root.join(page)).to_vec();
    let docs = std::fs::read_dir(root.join("docs")).expect("docs/ is there");
    pages.extend(
        docs.map(|entry| entry.expect("docs/ is readable").path())
            .filter(|path| path.extension() == Some("md".as_ref())),
    );
    pages.sort();
    let mut ran = 0;
    let mut wrong = Vec::new();
    for page in &pages {
        let copy = Copy::of(root);
        for (line, command, expected) in commands(&std::fs::read_to_string(page).expect("the page is text")) {
            ran += 1;
            let printed = copy.run(&command);
            if !pattern(&expected).is_match(&printed) {
                let page = page.strip_prefix(root).expect("below the root").display();
                wrong
                    .push(format!("{page}:{line}: $ {command}\n--- stands there\n{expected}--- is printed\n{printed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran >= 1, "only {ran} commands were found");
}

/// Every `toml` block is a rule file without a mistake; one with no table is a part of one, and may lack it. Blocks marked
/// `toml ignore` show a choice.
#[test]
fn rule_files_of_the_documentation_have_no_mistake() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs/ is there");
    let mut pages: Vec<PathBuf> = docs.map(|entry| entry.expect("docs/ is readable").path()).collect();
    pages.extend([root.join("README.md"), root.join("rules/README.md")]);
    let no_file = |_: &Path| Err(restitch::error::Error::new(restitch::error::ErrorKind::NotFound, "not here"));
    let mut checked = 0;
    for page in pages.iter().filter(|path| path.extension() == Some("md".as_ref())) {
        let text = std::fs::read_to_string(page).expect("the page is text");
        for block in text.split("\n```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap_or_default();
            let loaded = restitch::rules::load(block, Path::new("restitch.toml"), Path::new("/rules"), &no_file);
            let errors = loaded.diagnostics.iter().filter(|one| one.severity == restitch::rules::Severity::Error);
            let errors: Vec<&str> = errors.map(|one| one.message.as_str()).collect();
            let is_part = !block.contains("[table.") && errors == ["the file has no table"];
            assert!(errors.is_empty() || is_part, "{}: {errors:?}\n{block}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} blocks were found");
}

/// Links to pages, files and folders of the project lead somewhere, and `docs/README.md` lists every page.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = regex::Regex::new(r"\]\(([^)#\s]+)").expect("the expression is fixed");
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("CHANGELOG.md")];
    for folder in ["docs", "rules"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("the folder is readable").path());
        pages.extend(paths.filter(|path| path.extension() == Some("md".as_ref())));
    }
    let listed = std::fs::read_to_string(root.join("docs/README.md")).expect("the page is text");
    let mut wrong = Vec::new();
    for page in &pages {
        let folder = page.parent().expect("a page lies in a folder");
        let text = std::fs::read_to_string(page).expect("the page is text");
        let targets = link.captures_iter(&text).map(|found| found[1].to_owned());
        let lost = targets.filter(|target| !target.starts_with("https://") && !folder.join(target).exists());
        wrong.extend(lost.map(|target| format!("{}: {target}", page.display())));
        let name = page.file_name().expect("a page has a name").to_string_lossy();
        if folder == root.join("docs") && name != "README.md" && !listed.contains(&format!("({name})")) {
            wrong.push(format!("docs/README.md: does not list {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The commands of a page's `console` blocks: line, command, expected output.
fn commands(page: &str) -> Vec<(usize, String, String)> {
    let mut found: Vec<(usize, String, String)> = Vec::new();
    let mut in_block = false;
    for (number, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(info) => in_block = !in_block && info == "console",
            None if !in_block => {}
            None => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push((number + 1, command.to_owned(), String::new())),
                (None, Some((_, command, _))) if command.ends_with('\\') => command.push_str(&format!("\n{line}")),
                (None, Some((_, _, expected))) => expected.push_str(&format!("{line}\n")),
                (None, None) => panic!("line {}: a block begins with `$ `", number + 1),
            },
        }
    }
    found
}

/// The expected output as an expression: `…` is any text, and alone on a line any lines.
fn pattern(expected: &str) -> regex::Regex {
    let lines = expected.lines().map(|line| match line.trim() {
        "…" => "(?:.*\n)*".to_owned(),
        _ => regex::escape(line).replace('…', ".*") + "\n",
    });
    regex::Regex::new(&format!("^{}$", lines.collect::<String>())).expect("the pieces are escaped")
}

/// The examples and rules, in a folder that can be written to.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(root: &Path) -> Copy {
        let copy = tempfile::tempdir().expect("a folder");
        for folder in ["examples", "rules"].into_iter().filter(|folder| root.join(folder).is_dir()) {
            copy_folder(&root.join(folder), &copy.path().join(folder));
        }
        Copy(copy)
    }

    fn run(&self, command: &str) -> String {
        let here = self.0.path().canonicalize().expect("the folder is there");
        let binary = Path::new(env!("CARGO_BIN_EXE_restitch")).parent().expect("it lies in a folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        let command = match command.split_once(" -- ") {
            Some((cargo, arguments)) if cargo.starts_with("cargo run") => format!("restitch {arguments}"),
            _ => command.to_owned(),
        };
        shell.args(["-c", &format!("{command} 2>&1")]).current_dir(&here).env("PATH", path);
        let output = shell.output().expect("the shell runs");
        let printed = String::from_utf8(output.stdout).expect("what is printed is text");
        printed.replace(here.to_str().expect("the folder's name is text"), HOME)
    }
}

/// Copies a folder, without what an example has published.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is made");
    for entry in std::fs::read_dir(from).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let name = path.file_name().expect("an entry has a name");
        match path.is_dir() {
            true if name == "out" => {}
            true => copy_folder(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("the file is copied")),
        }
    }
}
