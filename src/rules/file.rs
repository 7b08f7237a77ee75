//! The rule file as a whole: TOML text in, [`Rules`] or every mistake out.
//!
//! Pure: a file that `ddl` names is read through a closure. What one rule says is `rule.rs`, what rules and tables say
//! together is `check.rs`.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::across;
use super::catalog;
use super::check;
use super::column::{self, as_name, is_name};
use super::ddl_in;
use super::diagnostic::{Diagnostic, Inside, Lines, Severity};
use super::format::{self, FormatOptions};
use super::given::{Definition, Given, Like, Repository};
use super::keys::{self, NAME};
use super::location;
use super::mend;
use super::rule::{self, Context, Head, Level, RuleDraft, SetEntry, WhereEntry};
use super::set::{Expression, Filter};
use super::shape::{self, Name, Node, Scalar, Text, did_you_mean};
use super::sound::{self, Sound};
use super::table::{
    Access, Claim, Column, Engine, Exclude, Format, Layout, Limits, ListingSource, Lookup, OnTrap, Partitions, Pick,
    PickOne, Publish, Removed, Rules, Skip, Table, Test, UserDdl, ValueSource, access,
};
use crate::error::{Error, Result};
use crate::uri::{Bucket, Scheme, Shown, Uri};

/// What came of reading a rule file.
#[derive(Debug)]
pub struct Loaded {
    /// Only where no diagnostic is an error.
    pub rules: Option<Rules>,
    /// Where one is.
    pub sound: Option<Sound>,
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What the file names and nobody has given yet, each once; where there is some, it is among the errors.
    pub lacking: Vec<Like>,
    /// The same, of repositories whose storage namespace a location begins with.
    pub lacking_namespaces: Vec<Repository>,
}

/// How `ddl = "taxes.sql"` is read: the absolute path in, its text out.
pub type ReadFile<'r> = &'r dyn Fn(&Path) -> Result<String>;

/// Reads a rule file that needs nothing but files. `path` is its name for messages; `base_dir` its folder, absolute, from
/// which relative paths are taken.
pub fn load(text: &str, path: &Path, base_dir: &Path, read: ReadFile<'_>) -> Loaded {
    load_with(text, path, base_dir, read, &Given::default())
}

/// The same, with what has been fetched of what the file lacked before.
pub fn load_with(text: &str, path: &Path, base_dir: &Path, read: ReadFile<'_>, given: &Given) -> Loaded {
    let mended = mend::mend(text);
    let (lines, own_lines) = (Lines::new(&mended.text), Lines::new(text));
    let sorted = |offsets: &mut dyn Iterator<Item = usize>| {
        let mut numbers: Vec<u32> = offsets.map(|offset| own_lines.line(offset)).collect();
        numbers.sort_unstable();
        numbers
    };
    let bad_lines = sorted(&mut mended.errors.iter().map(|error| error.span.start));
    let unread_lines = sorted(&mut mended.unread());
    let headers = headers(&mended.text);
    let document = mend::parse(&mended.text);
    let mut found = Vec::new();
    shape::check(&keys::FILE, document.get_ref(), &mut found);

    let base = base_dir.to_string_lossy().into_owned();
    let context =
        Context { lines: &lines, base_dir: &base, lookups: Vec::new(), broken_lines: &unread_lines, headers: &headers };
    let file = Node::new(&mended.text, document.get_ref(), &keys::FILE, 0..0);
    let mut reader =
        Reader { context, read, given, lacking: Vec::new(), lacking_namespaces: Vec::new(), base_dir, path, found };
    let (rules, drafts) = reader.file(&file, path);
    let mut diagnostics = std::mem::take(&mut reader.found);
    let lacking = std::mem::take(&mut reader.lacking);
    let lacking_namespaces = std::mem::take(&mut reader.lacking_namespaces);
    // A line that TOML could not read says nothing true about anything else.
    diagnostics.retain(|one| bad_lines.binary_search(&lines.line(one.span.start)).is_err());
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
    let mut error_lines: Vec<u32> = errors.map(|one| lines.line(one.span.start)).collect();
    error_lines.extend(&bad_lines);
    error_lines.sort_unstable();
    diagnostics.iter_mut().for_each(|one| one.span = mended.original(one.span.clone()));
    diagnostics.extend(mended.errors.iter().cloned());
    let diagnostics = merged(diagnostics);
    if error_lines.is_empty() {
        return Loaded { rules: Some(rules), sound: None, diagnostics, lacking, lacking_namespaces };
    }
    let sound = sound::sound(&reader.context, &drafts, file.section("defaults").as_ref(), rules, &error_lines);
    Loaded { rules: None, sound: Some(sound), diagnostics, lacking, lacking_namespaces }
}

/// Notes of one mistake that are shown.
const MOST_NOTES: usize = 3;

/// Sorted by place, what is said twice said once: what `[defaults]` says wrong is wrong for every table, what a table
/// says wrong for every rule.
fn merged(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|one| (one.span.start, one.span.end, one.severity));
    let mut seen: Vec<(Diagnostic, usize)> = Vec::new();
    for one in diagnostics {
        let here = seen.iter_mut().rev().take_while(|(other, _)| other.span == one.span);
        let is_same = |other: &Diagnostic| {
            (other.severity, &other.message, &other.inside) == (one.severity, &one.message, &one.inside)
        };
        let same = here.into_iter().find(|(other, _)| is_same(other));
        match same {
            Some((other, more)) => {
                for note in one.notes.into_iter().filter(|note| !other.notes.contains(note)).collect::<Vec<_>>() {
                    if other.notes.len() < MOST_NOTES { other.notes.push(note) } else { *more += 1 }
                }
            }
            None => seen.push((one, 0)),
        }
    }
    let counted = seen.into_iter().map(|(one, more)| match more {
        0 => one,
        more => one.note(format!("and {more} more")),
    });
    counted.collect()
}

/// Lines that begin with `[`, as headers do.
fn headers(text: &str) -> Vec<u32> {
    let numbered = (1..).zip(text.split('\n'));
    numbered.filter(|(_, line)| line.trim_start().starts_with('[')).map(|(number, _)| number).collect()
}

/// A table as read, and where its parts stand.
pub struct Draft<'a> {
    pub table: Table,
    pub name: Name<'a>,
    pub location: Option<Text<'a>>,
    pub rules: Vec<RuleDraft<'a>>,
    /// The table's own keys.
    pub node: Node<'a>,
    /// How many tests it has, read or not.
    pub tests: usize,
}

struct Reader<'c> {
    context: Context<'c>,
    read: ReadFile<'c>,
    given: &'c Given,
    lacking: Vec<Like>,
    lacking_namespaces: Vec<Repository>,
    base_dir: &'c Path,
    /// The rule file's name for messages.
    path: &'c Path,
    found: Vec<Diagnostic>,
}

impl<'c> Reader<'c> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(span, message)
    }

    /// The whole file; what could not be read is not in it.
    fn file<'a>(&mut self, file: &Node<'a>, path: &Path) -> (Rules, Vec<Draft<'a>>) {
        let project = file.text("project").and_then(|text| self.project(&text));
        self.context.lookups = self.lookups(file);
        let defaults = file.section("defaults");
        let claim = match defaults.as_ref().and_then(|defaults| defaults.word("claim")) {
            Some("first") => Claim::First,
            _ => Claim::Every,
        };
        let listings = self.listings(file);
        let catalog = file.section("catalog");
        let stores: Vec<ListingSource> = listings.iter().map(|(listing, _)| listing.clone()).collect();
        let outer = Outer { defaults: defaults.as_ref(), catalog: catalog.as_ref(), listings: &stores };
        let drafts: Vec<Draft<'a>> =
            file.named("table").into_iter().map(|(name, own)| self.table(name, own, outer)).collect();
        let mut said = Vec::new();
        let of_removed = catalog::read(catalog.as_ref(), None, None, &mut said);
        // With tables, what is wrong has been said of each.
        self.found.extend(said.into_iter().filter(|_| drafts.is_empty()));
        let removed = self.removed(file);
        if drafts.is_empty() && removed.is_empty() && !file.has("table") && !self.context.is_broken() {
            let error = Diagnostic::error(0..0, "the file has no table");
            self.found.push(error.help("write\n[table.NAME]\n[[table.NAME.rule]]\nmatch = 's3://bucket/folder/*.csv'"));
        }
        if !self.context.is_broken() {
            self.orphans(&drafts, defaults.as_ref());
        }
        across::check(&self.context, &drafts, &removed, &listings, &mut self.found);
        let tables = drafts.iter().map(|draft| draft.table.clone()).collect();
        let listings = listings.into_iter().map(|(listing, _)| listing).collect();
        let removed = removed.into_iter().map(|(removed, _)| removed).collect();
        let lookups = std::mem::take(&mut self.context.lookups);
        (
            Rules { path: path.to_owned(), project, claim, lookups, listings, catalog: of_removed, tables, removed },
            drafts,
        )
    }

    fn project(&mut self, text: &Text<'_>) -> Option<String> {
        let is_fine =
            !text.value.trim().is_empty() && text.value.len() <= 255 && !text.value.chars().any(char::is_control);
        if !is_fine {
            let error = self.error(text.span.clone(), "a project is named by 1 to 255 bytes of plain text");
            self.found.push(error.help("write\nproject = \"billing\""));
        }
        is_fine.then(|| text.value.to_owned())
    }

    fn lookups(&mut self, file: &Node<'_>) -> Vec<Lookup> {
        let mut lookups = Vec::new();
        for (name, value) in file.map("lookup").unwrap_or_default() {
            self.name(&name, "lookup");
            let Some(entries) = value.get_ref().as_table() else { continue };
            let entries: BTreeMap<String, String> = file
                .entries(entries)
                .into_iter()
                .filter_map(|(key, value)| Some((key.value.to_owned(), file.as_scalar(value)?.to_text())))
                .collect();
            lookups.push(Lookup { name: name.value.to_owned(), entries });
        }
        lookups
    }

    fn name(&mut self, name: &Name<'_>, what: &str) {
        if is_name(name.value) && name.value.len() <= 255 {
            return;
        }
        let error = self.error(name.span.clone(), format!("`{}` is not the name of a {what}", name.value));
        if is_name(name.value) {
            self.found.push(error.label(format!("it has {} bytes, and catalogs take 255", name.value.len())));
            return;
        }
        let error = error.label(format!("a name is {NAME}"));
        self.found.push(error.help(format!("write `{}`", as_name(name.value))));
    }

    fn listings(&mut self, file: &Node<'_>) -> Vec<(ListingSource, Range<usize>)> {
        let mut listings: Vec<(ListingSource, Range<usize>)> = Vec::new();
        for node in file.sections("listing") {
            let prefix = node.text("prefix").map(|text| (self.uri(&text), text.span));
            let span = prefix.as_ref().map_or(node.span.clone(), |(_, span)| span.clone());
            let prefix = prefix.and_then(|(prefix, _)| prefix);
            if listings.iter().any(|(other, _)| other.prefix == prefix) {
                let error = self.error(span.clone(), "a second `[[listing]]` of the same prefix");
                self.found.push(error.label("which of them counts?"));
            }
            let text = |key: &str| node.text(key).map(|text| text.value.to_owned());
            let access = Access {
                endpoint: text("endpoint"),
                region: text("region"),
                profile: text("profile"),
                path_style: node.flag("path_style"),
                requester_pays: node.flag("requester_pays").unwrap_or(false),
                anonymous: node.flag("anonymous").unwrap_or(false),
            };
            if let (true, Some(span)) = (access.anonymous, node.key_span("profile")) {
                let error = self.error(span, "`profile` beside `anonymous = true`");
                self.found.push(error.label("without credentials no profile is read"));
            }
            let from = text("from").map(|from| self.beside(&from));
            listings.push((ListingSource { prefix, from, access }, span));
        }
        listings
    }

    /// A path relative to the rule file, made absolute; URIs and `-` stay.
    fn beside(&self, path: &str) -> String {
        let is_whole = path == "-" || path.contains("://") || path.starts_with('/');
        if is_whole { path.to_owned() } else { self.base_dir.join(path).to_string_lossy().into_owned() }
    }

    /// A URI, or a local path, byte for byte.
    fn uri(&mut self, text: &Text<'_>) -> Option<Uri> {
        if !text.value.contains("://") {
            return Some(Uri::new(Bucket::local(), rule::local_key(text.value, self.context.base_dir)));
        }
        match Uri::parse(text.value) {
            Ok(uri) => Some(uri),
            Err(error) => {
                let help = error.help_text().map(str::to_owned);
                self.found.push(Diagnostic::error(text.span.clone(), error.message()).help_maybe(help));
                None
            }
        }
    }

    /// The URI of an object: one with a key.
    fn object(&mut self, text: &Text<'_>) -> Option<Uri> {
        let uri = self.uri(text)?;
        if uri.key.is_empty() {
            let error = Diagnostic::error(text.span.clone(), "this names a bucket and no object");
            self.found.push(error.help(format!("write '{}folder/file.csv'", uri.shown())));
            return None;
        }
        Some(uri)
    }

    fn removed<'a>(&mut self, file: &Node<'a>) -> Vec<(Removed, Text<'a>)> {
        let mut removed = Vec::new();
        for (name, value) in file.map("removed").unwrap_or_default() {
            self.name(&name, "table");
            let Some(text) = file.as_text(value) else { continue };
            if let Some(location) = location::read(&text, name.value, None, self.context.base_dir, &mut self.found) {
                removed.push((Removed { name: name.value.to_owned(), location }, text));
            }
        }
        removed
    }

    fn table<'a>(&mut self, name: Name<'a>, own: Node<'a>, outer: Outer<'_, 'a>) -> Draft<'a> {
        let defaults = outer.defaults;
        self.name(&name, "table");
        let layers = Layers { own: &own, defaults };
        let partition_texts = layers.one("partitioned_by", Node::texts).unwrap_or_default();
        let own_catalog = own.section("catalog");
        let mut data = self.data(&layers, outer, own_catalog.as_ref());
        let is_partitioned_here = !partition_texts.is_empty() || own.has("partitioned_by");
        if !is_partitioned_here {
            self.stated_partitions(&mut data);
        }
        let columns = data.columns;
        let mut partitioned_by = Vec::new();
        let mut partition_spans = Vec::new();
        let mut unread_columns = Vec::new();
        for text in &partition_texts {
            match column::read(text, true, &mut self.found) {
                Some(mut column) => {
                    let same = data.partitioned_by.iter().find(|stated| stated.name == column.name);
                    column.comment = column.comment.or_else(|| same?.comment.clone());
                    partitioned_by.push(column);
                    partition_spans.push(text.span.clone());
                }
                None => unread_columns.push(text.value),
            }
        }
        if !is_partitioned_here {
            partition_spans = vec![data.span.clone(); data.partitioned_by.len()];
            partitioned_by = data.partitioned_by;
        }
        // Columns that could not be read are not missed in the layout.
        let layout = match unread_columns.as_slice() {
            [] => self.layout(&layers, &partitioned_by),
            _ => location::default_layout(&partitioned_by),
        };
        let (pick, unread_picks) = self.picks(&layers);
        let is_broken = data.is_unread && !is_partitioned_here
            || self.context.is_broken_under(&own.span)
            || defaults.is_some_and(|defaults| self.context.is_broken_under(&defaults.span));
        let head = Head {
            name: name.clone(),
            partitioned_by,
            partition_spans,
            unread_columns,
            is_broken,
            set: self.sets(&layers),
            wheres: self.wheres(&layers),
            exclude: self.excludes(&layers),
            ignore_case: layers.one("ignore_case", Node::flag).unwrap_or(false),
            pick,
            unread_picks,
        };
        let rules = self.rules(&head, &own);
        let location_text = layers.one("location", Node::text);
        let location = location_text.as_ref().and_then(|text| self.location(text, name.value, &rules, outer.listings));
        let test_nodes = own.sections("test");
        let tests = test_nodes.iter().filter_map(|node| self.test(node, &head)).collect();
        let partitions = match layers.word("partitions") {
            Some("projection") => Partitions::Projection,
            _ => Partitions::Registered,
        };
        let database = data.ddl.as_ref().and_then(|ddl| ddl.statement.database.as_deref());
        let catalog = catalog::read(outer.catalog, own_catalog.as_ref(), database, &mut self.found);
        let mut table = Table {
            name: name.value.to_owned(),
            line: self.context.lines.line(own.span.start),
            location,
            lies_by_name: location_text.as_ref().is_some_and(|text| location::lies_by_name(text.value)),
            engines: self.engines(&layers),
            columns,
            partitioned_by: head.partitioned_by.clone(),
            comment: layers.one("comment", Node::text).map(|text| text.value.to_owned()).or(data.comment),
            format: data.format,
            properties: self.properties(&layers, &head.partitioned_by, data.properties),
            ddl: data.ddl,
            like: data.like,
            layout,
            partitions,
            catalog,
            publish: Publish::Refresh,
            accept_moves: layers.word("moves") == Some("accept"),
            append_only: layers.one("append_only", Node::flag).unwrap_or(false),
            strict_values: layers.one("strict_values", Node::flag).unwrap_or(false),
            on_trap: if layers.word("on_trap") == Some("skip") { OnTrap::Skip } else { OnTrap::Refuse },
            limits: self.limits(&layers),
            skip: skip(&layers),
            exclude: head.exclude.clone(),
            pick: head.pick.iter().map(|(pick, _)| pick.clone()).collect(),
            rules: rules.iter().filter_map(|draft| draft.rule.clone()).collect(),
            lookups: Vec::new(),
            tests,
        };
        table.lookups = looked_up(&table, &self.context.lookups);
        table.publish = publish(&layers, &table);
        check::table(&self.context, &table, &head, &own, &data.column_spans, &rules, &mut self.found);
        catalog::check(&table, &name, location_text.as_ref(), &own, &data.column_spans, &mut self.found);
        Draft { table, name, location: location_text, rules, node: own, tests: test_nodes.len() }
    }

    /// A table's location, which may begin with the storage namespace of the repository that its rules list.
    fn location(
        &mut self,
        text: &Text<'_>,
        table: &str,
        rules: &[RuleDraft<'_>],
        listings: &[ListingSource],
    ) -> Option<Uri> {
        let namespace = match text.value.strip_prefix(location::NAMESPACE) {
            None => None,
            Some(rest) if rest.starts_with('/') => Some(self.namespace(text, rules, listings)?),
            Some(_) => {
                let error = self.error(text.at(0..location::NAMESPACE.len()), "no `/` behind the storage namespace");
                self.found.push(error.help("write\nlocation = \"{storage_namespace}/tables/{table}/\""));
                return None;
            }
        };
        location::read(text, table, namespace.as_ref(), self.context.base_dir, &mut self.found)
    }

    fn namespace(&mut self, text: &Text<'_>, rules: &[RuleDraft<'_>], listings: &[ListingSource]) -> Option<Uri> {
        let span = text.at(0..location::NAMESPACE.len());
        let prefixes = rules.iter().filter_map(|draft| draft.rule.as_ref()).flat_map(check::listed);
        let mut repositories: Vec<Repository> = Vec::new();
        for prefix in prefixes.filter(|prefix| prefix.bucket.scheme == Scheme::LakeFs) {
            let access = access(listings, &prefix);
            let repository = Repository { name: prefix.bucket.name, access };
            if !repositories.contains(&repository) {
                repositories.push(repository);
            }
        }
        if repositories.is_empty() && rules.iter().all(|draft| draft.rule.is_some()) {
            let error = self.error(span.clone(), "no repository of lakeFS is listed, so there is no storage namespace");
            self.found.push(error.help("write\nlocation = \"s3://bucket/tables/{table}/\""));
        }
        let mut namespaces: Vec<(String, Uri)> = Vec::new();
        for repository in repositories {
            let cannot = |why: &str| {
                let message = format!("cannot tell the storage namespace of repository `{}`", repository.name);
                Diagnostic::error(span.clone(), message).label(why)
            };
            match self.given.namespace(&repository) {
                Some(Ok(namespace)) => namespaces.push((repository.name, namespace.clone())),
                Some(Err(error)) => {
                    self.found.push(explained(cannot(error.message()), error));
                }
                None => {
                    self.found.push(cannot("it has not been fetched"));
                    if !self.lacking_namespaces.contains(&repository) {
                        self.lacking_namespaces.push(repository);
                    }
                }
            }
        }
        let (first, rest) = namespaces.split_first()?;
        if let Some(other) = rest.iter().find(|other| other.1 != first.1) {
            let error = self.error(span, "the table's rules list repositories with several storage namespaces");
            let notes = [first, other].map(|(name, at)| format!("`{name}` keeps its objects at {}", at.raw()));
            let error = notes.into_iter().fold(error, Diagnostic::note);
            self.found.push(error.help("write\nlocation = \"s3://bucket/tables/{table}/\""));
            return None;
        }
        Some(first.1.clone())
    }

    fn rules<'a>(&mut self, head: &Head<'a>, own: &Node<'a>) -> Vec<RuleDraft<'a>> {
        let nodes = own.sections("rule");
        if nodes.is_empty() && own.is_empty("rule") && !self.context.is_broken() {
            let name = head.name.value;
            let error = self.error(own.span.clone(), format!("table `{name}` has no rule")).label("nothing feeds it");
            self.found.push(error.help(format!("write\n[[table.{name}.rule]]\nmatch = 's3://bucket/folder/*.csv'")));
        }
        let rules: Vec<RuleDraft<'a>> = nodes
            .into_iter()
            .enumerate()
            .map(|(index, node)| rule::read(&self.context, head, node, index as u32 + 1, &mut self.found))
            .collect();
        for entry in head.wheres.iter().filter(|entry| rule::attribute(entry.name.value).is_none()) {
            self.condition_of_table(entry, head, &rules);
        }
        rules
    }

    /// A `where` of the table tests what at least one of its rules binds; the others then take nothing.
    fn condition_of_table(&mut self, entry: &WhereEntry<'_>, head: &Head<'_>, rules: &[RuleDraft<'_>]) {
        let binds = |rule: &RuleDraft<'_>| rule.bound.iter().any(|bound| bound.name == entry.name.value);
        let is_read = rules.iter().all(|rule| rule.rule.is_some());
        if entry.tests.is_empty() || rules.is_empty() {
            return;
        }
        if rules.iter().any(binds) {
            let without = rules.iter().filter(|rule| rule.rule.is_some() && !binds(rule));
            let texts = without.filter_map(|rule| rule.text.as_ref());
            self.found.extend(texts.map(|text| rule::takes_nothing(entry, head.name.value, text)));
        } else if is_read {
            let bound: Vec<_> = rules.iter().flat_map(|rule| &rule.bound).cloned().collect();
            let error = rule::unknown_condition(entry, &bound);
            self.found.push(error.note(format!("none of the rules of table `{}` captures it", head.name.value)));
        }
    }

    /// `set` and `where` of `[defaults]` that no table can use.
    fn orphans(&mut self, drafts: &[Draft<'_>], defaults: Option<&Node<'_>>) {
        let Some(defaults) = defaults else { return };
        for entry in rule::set_entries(&self.context, defaults, Level::Defaults, &mut Vec::new()) {
            let name = entry.name.value;
            let columns =
                || drafts.iter().flat_map(|draft| &draft.table.partitioned_by).map(|column| column.name.as_str());
            if drafts.is_empty() || columns().any(|column| column == name) {
                continue;
            }
            let error =
                self.error(entry.name.span, format!("`set` for `{name}`, which is no partition column of any table"));
            self.found.push(error.label(did_you_mean(name, columns())));
        }
    }

    fn sets<'a>(&mut self, layers: &Layers<'_, 'a>) -> Vec<SetEntry<'a>> {
        let own = rule::set_entries(&self.context, layers.own, Level::Table, &mut self.found);
        let defaults =
            layers.defaults.map(|node| rule::set_entries(&self.context, node, Level::Defaults, &mut self.found));
        let inherited = defaults.unwrap_or_default().into_iter();
        let inherited: Vec<_> =
            inherited.filter(|entry| own.iter().all(|other| other.name.value != entry.name.value)).collect();
        own.into_iter().chain(inherited).collect()
    }

    fn wheres<'a>(&mut self, layers: &Layers<'_, 'a>) -> Vec<WhereEntry<'a>> {
        let own = rule::where_entries(layers.own, Level::Table, &mut self.found);
        let defaults = layers.defaults.map(|node| rule::where_entries(node, Level::Defaults, &mut self.found));
        let inherited = defaults.unwrap_or_default().into_iter();
        let inherited: Vec<_> =
            inherited.filter(|entry| own.iter().all(|other| other.name.value != entry.name.value)).collect();
        inherited.into_iter().chain(own).collect()
    }

    fn excludes(&mut self, layers: &Layers<'_, '_>) -> Vec<Exclude> {
        let defaults = layers.defaults.map(|node| rule::exclude(node, true, &mut self.found));
        defaults.into_iter().flatten().chain(rule::exclude(layers.own, false, &mut self.found)).collect()
    }

    /// The steps of `pick`, and the texts of those that could not be read.
    fn picks<'a>(&mut self, layers: &Layers<'_, 'a>) -> (Vec<(Pick, Vec<Text<'a>>)>, Vec<&'a str>) {
        let node = if layers.own.has("pick") { Some(layers.own) } else { layers.defaults };
        let nodes = node.map(|node| node.sections("pick")).unwrap_or_default();
        let (mut picks, mut unread) = (Vec::new(), Vec::new());
        for node in &nodes {
            match self.pick(node) {
                Some(pick) => picks.push(pick),
                None => unread.extend(["one", "per"].iter().filter_map(|key| Some(node.text(key)?.value))),
            }
        }
        (picks, unread)
    }

    /// One step of `pick`, with the texts of its expressions in the order `one`, `per`.
    fn pick<'a>(&mut self, node: &Node<'a>) -> Option<(Pick, Vec<Text<'a>>)> {
        let Some(one) = node.text("one") else {
            if !node.has("one") {
                let error = self.error(node.span.clone(), "`pick` needs `one`").label("one of what?");
                self.found.push(error.help("write\npick = { one = \"{snapshot}\" }"));
            }
            return None;
        };
        let per_text = node.text("per");
        let per = match &per_text {
            Some(text) => Some(rule::read_expression(&self.context, text, &mut self.found)?),
            None => None,
        };
        let mut texts = Vec::new();
        let picked = if one.value == "rule" {
            if let Some(span) = node.key_span("by") {
                let error = self.error(span, "`by` beside `one = \"rule\"`");
                self.found.push(error.label("the earliest rule stays, whatever the age"));
            }
            PickOne::Rule
        } else {
            let expression = rule::read_expression(&self.context, &one, &mut self.found)?;
            if expression.holes().next().is_none() {
                let name = as_name(one.value);
                let warning = Diagnostic::warning(one.span.clone(), "every object has this text: nothing is picked");
                self.found.push(warning.label("names no capture").help(format!("write\none = \"{{{name}}}\"")));
            }
            texts.push(one);
            match node.word("by") {
                Some("modified") => PickOne::Newest(expression),
                _ => PickOne::Greatest(expression),
            }
        };
        texts.extend(per_text);
        Some((Pick { one: picked, per }, texts))
    }

    fn layout(&mut self, layers: &Layers<'_, '_>, columns: &[Column]) -> Layout {
        let own = layers.one("layout", Node::text);
        let read = own.and_then(|text| location::read_layout(&text, columns, &mut self.found));
        read.unwrap_or_else(|| location::default_layout(columns))
    }

    fn engines(&mut self, layers: &Layers<'_, '_>) -> Vec<Engine> {
        let mut engines: Vec<Engine> = Vec::new();
        for text in layers.one("engine", Node::texts).unwrap_or_default() {
            let (name, version) = text.value.split_once(':').unwrap_or((text.value, ""));
            let engine = match name {
                "athena" => Engine::Athena,
                "spark" => Engine::Spark,
                "hive" => Engine::Hive,
                "trino" => Engine::Trino { version: version.parse().ok() },
                _ => continue,
            };
            if engines.contains(&engine) {
                let error = self.error(text.span, format!("engine `{}` a second time", text.value));
                self.found.push(error);
            } else {
                engines.push(engine);
            }
        }
        if engines.is_empty() { vec![Engine::Athena] } else { engines }
    }

    fn properties(
        &mut self,
        layers: &Layers<'_, '_>,
        columns: &[Column],
        stated: Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        let mut properties = stated;
        for (name, value) in layers.one("properties", Node::scalars).unwrap_or_default() {
            let ours = name.value == "EXTERNAL"
                || name.value == "storage.location.template"
                || ["projection.", "restitch."].iter().any(|ours| name.value.starts_with(ours));
            // What projection says of a column may be stated, and then goes before what is worked out.
            let of_column = name.value.strip_prefix("projection.").and_then(|rest| rest.split_once('.'));
            let is_setting = of_column.is_some_and(|(column, setting)| {
                columns.iter().any(|one| one.name == column) && PROJECTION_SETTINGS.contains(&setting)
            });
            if ours && !is_setting {
                let error = self.error(name.span.clone(), format!("property `{}` is restitch's own", name.value));
                self.found.push(error.label("it writes it itself where it is needed"));
            }
            if name.value == "skip.header.line.count" {
                let error = self.error(name.span.clone(), "header lines belong to the format");
                self.found.push(error.help("write\nformat = { type = \"csv\", header_lines = 1 }"));
            }
            properties.retain(|(other, _)| other != name.value);
            properties.push((name.value.to_owned(), value.to_text()));
        }
        properties
    }

    fn limits(&mut self, layers: &Layers<'_, '_>) -> Limits {
        let standard = Limits::default();
        let percent = layers.one("max_removed", Node::text).and_then(|text| {
            let share: f64 = text.value.trim_end_matches('%').trim().parse().ok()?;
            if share > 100.0 {
                let error = self.error(text.span, "a share is at most 100%");
                self.found.push(error);
            }
            Some(share / 100.0)
        });
        Limits {
            max_removed: layers.one("max_removed", Node::share).or(percent).unwrap_or(standard.max_removed),
            max_partitions: layers.one("max_partitions", Node::whole).unwrap_or(standard.max_partitions),
            max_lines: layers.one("max_lines", Node::whole).unwrap_or(standard.max_lines),
            max_lists_per_partition: layers.one("max_lists_per_partition", Node::whole),
            max_listing_age_s: self.duration(layers, "max_listing_age"),
            leave_after_s: self.duration(layers, "leave_after"),
        }
    }

    fn duration(&mut self, layers: &Layers<'_, '_>, key: &str) -> Option<u64> {
        let text = layers.one(key, Node::text)?;
        let unit = text.value.chars().last()?;
        let number: u64 = text.value.trim_end_matches(unit).trim_end().parse().ok()?;
        let unit_s = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let seconds = number.checked_mul(unit_s).filter(|seconds| (1..=100 * 366 * 86_400).contains(seconds));
        if seconds.is_none() {
            let error = self.error(text.span, format!("`{key}` takes from one second to a hundred years"));
            self.found.push(error.help(format!("write\n{key} = \"29d\"")));
        }
        seconds
    }

    fn test(&mut self, node: &Node<'_>, head: &Head<'_>) -> Option<Test> {
        let missing: Vec<&str> = ["uri", "gives"].into_iter().filter(|key| !node.has(key)).collect();
        if !missing.is_empty() && !self.context.is_broken_under(&node.span) {
            let error = self.error(node.span.clone(), format!("a test without `{}`", missing.join("` and `")));
            let example = "[[table.NAME.test]]\nuri   = 's3://bucket/folder/file.csv'\ngives = { region = \"emea\" }";
            self.found.push(error.help(format!("write\n{}", example.replace("NAME", head.name.value))));
        }
        let uri = node.text("uri").and_then(|text| self.object(&text));
        let gives = node
            .scalars("gives")
            .map(|values| values.into_iter().filter_map(|(name, value)| self.given(&name, &value, head)).collect());
        let modified = match (node.moment("modified"), node.text("modified")) {
            (Some(moment), _) => self.moment(&moment.to_string(), node),
            (None, Some(text)) => self.moment(text.value, node),
            (None, None) => None,
        };
        Some(Test {
            line: self.context.lines.line(node.span.start),
            uri: uri?,
            gives,
            size: node.whole("size"),
            modified,
            storage_class: node.text("storage_class").map(|text| text.value.to_owned()),
        })
    }

    fn given(&mut self, name: &Name<'_>, value: &Scalar<'_>, head: &Head<'_>) -> Option<(String, Option<String>)> {
        let columns = || head.partitioned_by.iter().map(|column| column.name.as_str());
        if head.may_have(name.value) {
            return None;
        }
        if !columns().any(|column| column == name.value) {
            let error = self.error(name.span.clone(), format!("`{}` is no partition column", name.value));
            let error = error.label(did_you_mean(name.value, columns()));
            self.found.push(error.note(match head.partitioned_by.as_slice() {
                [] => format!("table `{}` has none: write `gives = {{}}`", head.name.value),
                _ => format!(
                    "table `{}` is partitioned by {}",
                    head.name.value,
                    columns().collect::<Vec<_>>().join(", ")
                ),
            }));
            return None;
        }
        let text = value.to_text();
        let is_null = text == "\\N" || text.is_empty() || text == crate::value::HIVE_NULL;
        Some((name.value.to_owned(), (!is_null).then_some(text)))
    }

    fn moment(&mut self, text: &str, node: &Node<'_>) -> Option<i64> {
        let moment = crate::value::instant(text);
        if moment.is_none() {
            let span = node.value_span("modified").unwrap_or(node.span.clone());
            let error = self.error(span, "this is no date and time");
            self.found.push(error.help("write\nmodified = \"2024-03-01T06:00:00Z\""));
        }
        moment
    }
}

/// What may be stated of a column in `projection.COLUMN.…`.
const PROJECTION_SETTINGS: [&str; 7] = ["type", "values", "range", "digits", "format", "interval", "interval.unit"];

/// What a table says of its data, itself, through its DDL or through a definition elsewhere.
#[derive(Default)]
struct Data {
    columns: Vec<Column>,
    /// Where the columns' names stand, if the file names them.
    column_spans: Vec<Range<usize>>,
    partitioned_by: Vec<Column>,
    format: Option<Format>,
    comment: Option<String>,
    properties: Vec<(String, String)>,
    ddl: Option<UserDdl>,
    like: Option<Like>,
    /// Whether `ddl` or `like` is there and says nothing: what it would have said is not missed.
    is_unread: bool,
    /// Of `ddl` or `like`.
    span: Range<usize>,
    /// Of the statement's PARTITIONED BY.
    partition_place: Option<Inside>,
}

/// What the file says for all tables.
#[derive(Clone, Copy)]
struct Outer<'n, 'a> {
    defaults: Option<&'n Node<'a>>,
    catalog: Option<&'n Node<'a>>,
    listings: &'n [ListingSource],
}

/// A table and the defaults under it.
struct Layers<'n, 'a> {
    own: &'n Node<'a>,
    defaults: Option<&'n Node<'a>>,
}

impl<'a> Layers<'_, 'a> {
    /// The table's value, or else the defaults'.
    fn one<T>(&self, key: &str, read: impl Fn(&Node<'a>, &str) -> Option<T>) -> Option<T> {
        if self.own.has(key) { read(self.own, key) } else { self.defaults.and_then(|defaults| read(defaults, key)) }
    }

    fn word(&self, key: &str) -> Option<&'a str> {
        self.one(key, Node::word)
    }
}

/// With what the error says besides its message.
fn explained(cannot: Diagnostic, error: &Error) -> Diagnostic {
    let noted = error.notes().iter().fold(cannot, |noted, note| noted.note(note));
    noted.help_maybe(error.help_text().map(str::to_owned))
}

/// As the file says, or a switch where one change does it and a commit is a snapshot.
fn publish(layers: &Layers<'_, '_>, table: &Table) -> Publish {
    match layers.word("publish") {
        Some("switch") => Publish::Switch,
        None if table.is_switched_at_once() && table.lists_lakefs() => Publish::Switch,
        _ => Publish::Refresh,
    }
}

/// The lookups that a table's values are looked up in.
fn looked_up(table: &Table, lookups: &[Lookup]) -> Vec<Lookup> {
    let values = table.rules.iter().flat_map(|rule| &rule.values).filter_map(|value| match value {
        ValueSource::Expression(expression) => Some(expression),
        ValueSource::Capture(_) => None,
    });
    let filters: Vec<&Filter> = values.flat_map(Expression::holes).flat_map(|hole| &hole.filters).collect();
    let is_used = |at: usize| filters.iter().any(|filter| **filter == Filter::Lookup(at));
    (0..).zip(lookups).filter(|(at, _)| is_used(*at)).map(|(_, lookup)| lookup.clone()).collect()
}

fn skip(layers: &Layers<'_, '_>) -> Skip {
    let Some(texts) = layers.one("skip", Node::texts) else { return Skip::default() };
    let has = |word: &str| texts.iter().any(|text| text.value == word);
    Skip {
        markers: has("markers"),
        hidden: has("hidden"),
        folder: has("folder"),
        empty: has("empty"),
        archived: has("archived"),
    }
}

impl Reader<'_> {
    /// `columns` and `format`, or `ddl`, or `like`; the table's own words go before the defaults'.
    fn data(&mut self, layers: &Layers<'_, '_>, outer: Outer<'_, '_>, own_catalog: Option<&Node<'_>>) -> Data {
        let own = |key: &&str| layers.own.has(key);
        // Each says it all; what stands behind it says it again. A definition may lack the format, or have it wrong.
        let stated: [(&str, &[&str]); 2] = [("ddl", &["columns", "format", "like"]), ("like", &["columns"])];
        for (by, again) in stated.into_iter().filter(|(by, _)| layers.own.has(by)) {
            for key in again.iter().filter(|key| own(key)) {
                let span = layers.own.key_span(key).unwrap_or_default();
                let error = self.error(span, format!("`{key}` beside `{by}`"));
                let what = if by == "ddl" { "the statement" } else { "the definition" };
                self.found.push(error.label(format!("{what} says it already")).help("leave one of them out"));
            }
        }
        let says_own = ["columns", "format", "ddl", "like"].iter().any(own);
        let node = if says_own { Some(layers.own) } else { layers.defaults };
        if let Some(text) = node.and_then(|node| node.text("ddl")) {
            return self.stated_by(&text);
        }
        if let Some(text) = node.and_then(|node| node.text("like")) {
            let mut data = self.defined_by(&text, outer, own_catalog);
            if data.format.is_none() || layers.own.has("format") {
                data.format = self.format(layers).or(data.format);
            }
            return data;
        }
        let texts = layers.one("columns", Node::texts).unwrap_or_default();
        let (mut columns, mut column_spans) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for text in &texts {
            let Some(column) = column::read(text, false, &mut self.found) else { continue };
            if names.insert(column.name.clone()) {
                column_spans.push(column::name_span(text));
                columns.push(column);
            } else {
                let error = self.error(text.span.clone(), format!("column `{}` a second time", column.name));
                self.found.push(error.label("names count in lower case"));
            }
        }
        Data { columns, column_spans, format: self.format(layers), ..Data::default() }
    }

    /// A table as the user's own statement says it.
    fn stated_by(&mut self, text: &Text<'_>) -> Data {
        let path = PathBuf::from(self.beside(text.value));
        let data = Data { span: text.span.clone(), is_unread: true, ..Data::default() };
        let statement = match (self.read)(&path) {
            Ok(statement) => statement,
            Err(error) => {
                let shown = Diagnostic::error(text.span.clone(), format!("cannot read `{}`", text.value));
                let name = Shown(&path.to_string_lossy()).to_string();
                let why = error.message();
                let why = why.strip_prefix(&name).map_or(why, |why| why.trim_start_matches(": "));
                let shown = shown.label(why).note("the path is taken from the rule file's folder:");
                self.found.push(shown.note(name));
                return data;
            }
        };
        match ddl_in::read(&statement) {
            Ok(table) => Data {
                partition_place: Some(self.inside(text, &statement, table.spans.partitioned_by.clone())),
                columns: table.columns.clone(),
                partitioned_by: table.partitioned_by.clone(),
                format: Some(table.format.clone()),
                comment: table.comment.clone(),
                properties: table.properties.clone(),
                ddl: Some(UserDdl { path, text: statement, statement: table }),
                is_unread: false,
                ..data
            },
            Err(errors) => {
                for error in errors {
                    let shown = Diagnostic::error(text.span.clone(), error.message).label(error.label);
                    let shown = shown.inside(self.inside(text, &statement, error.span)).help_maybe(error.help);
                    self.found.push(shown);
                }
                data
            }
        }
    }

    /// A table as it is described elsewhere.
    fn defined_by(&mut self, text: &Text<'_>, outer: Outer<'_, '_>, own_catalog: Option<&Node<'_>>) -> Data {
        // Where a definition may be taken from; what is wrong with it is said where the table's own is read.
        let catalog = catalog::read(outer.catalog, own_catalog, Some("default"), &mut Vec::new());
        let data = Data { span: text.span.clone(), is_unread: true, ..Data::default() };
        let like = match Like::parse(text.value, outer.listings, catalog.as_ref()) {
            Ok(like) => like,
            Err((message, help)) => {
                self.found.push(Diagnostic::error(text.span.clone(), message).help(help));
                return data;
            }
        };
        let cannot = |why: &str| {
            Diagnostic::error(text.span.clone(), format!("cannot take the definition `{}`", text.value)).label(why)
        };
        match self.given.definition(&like) {
            Some(Ok(Definition { columns, partitioned_by, format, comment, properties })) => {
                let (columns, partitioned_by, format) = (columns.clone(), partitioned_by.clone(), format.clone());
                let (comment, properties) = (comment.clone(), properties.clone());
                Data {
                    columns,
                    partitioned_by,
                    format,
                    comment,
                    properties,
                    like: Some(like),
                    is_unread: false,
                    ..data
                }
            }
            Some(Err(error)) => {
                self.found.push(explained(cannot(error.message()), error));
                data
            }
            None => {
                self.found.push(cannot("it has not been fetched"));
                if !self.lacking.contains(&like) {
                    self.lacking.push(like);
                }
                data
            }
        }
    }

    /// A place in the statement of the file that `text` names.
    fn inside(&self, text: &Text<'_>, statement: &str, span: Range<usize>) -> Inside {
        let path = self.path.parent().unwrap_or(Path::new("")).join(text.value);
        Inside { path, text: statement.into(), span }
    }

    /// The statement's own partition columns, where the rule file says none: they are names of captures and of
    /// directories too.
    fn stated_partitions(&mut self, data: &mut Data) {
        for column in std::mem::take(&mut data.partitioned_by) {
            let message = if !is_name(&column.name) {
                format!("`{}` cannot be the name of a partition column here", column.name)
            } else if !column::is_partition_type(&column.ddl_type) {
                format!("partition column `{}` cannot be of type `{}`", column.name, column.ddl_type)
            } else {
                data.partitioned_by.push(column);
                continue;
            };
            let mut error = Diagnostic::error(data.span.clone(), message)
                .help("say the partition columns in the rule file\npartitioned_by = [\"region string\"]");
            error.inside = data.partition_place.clone().map(Box::new);
            self.found.push(error);
        }
    }

    fn format(&mut self, layers: &Layers<'_, '_>) -> Option<Format> {
        if let Some(text) = layers.one("format", Node::text) {
            let made = format::format(Some(text.value), &FormatOptions::default());
            // A name that is none has been named already.
            return made
                .map_err(|error| {
                    if keys::FORMATS.contains(&text.value) {
                        let help = "write\nformat = { type = \"regex\", regex = '^(\\S+) (\\S+)$' }";
                        self.found.push(Diagnostic::error(text.span.clone(), error.message).help(help));
                    }
                })
                .ok();
        }
        let node = layers.one("format", Node::section)?;
        let mut options = format_options(&node);
        let name = node.word("type");
        loop {
            let error = match format::format(name, &options) {
                Ok(format) => return Some(format),
                Err(error) => error,
            };
            let is_known = name.is_none_or(|name| keys::FORMATS.contains(&name));
            let span = error.option.and_then(|option| node.value_span(option)).unwrap_or(node.span.clone());
            if is_known {
                let shown = Diagnostic::error(span, error.message);
                self.found.push(shown.help_maybe(error.help));
            }
            // The next mistake shows once this one is out of the way.
            match error.option {
                Some("delimiter") => options.delimiter = None,
                Some("quote") => options.quote = None,
                Some("escape") => options.escape = None,
                Some("null") => options.null = None,
                Some("header_lines") => options.header_lines = None,
                Some("schema") => options.schema = None,
                Some("regex") if options.regex.is_some() && name != Some("regex") => options.regex = None,
                _ => return None,
            }
        }
    }
}

fn format_options(node: &Node<'_>) -> FormatOptions {
    let text = |key: &str| node.text(key).map(|text| text.value.to_owned());
    let properties = node.scalars("properties").unwrap_or_default().into_iter();
    FormatOptions {
        delimiter: text("delimiter"),
        quote: text("quote"),
        escape: text("escape"),
        null: text("null"),
        header_lines: node.whole("header_lines").and_then(|lines| lines.try_into().ok()),
        regex: text("regex"),
        schema: text("schema"),
        serde: text("serde"),
        properties: properties.map(|(name, value)| (name.value.to_owned(), value.to_text())).collect(),
    }
}
