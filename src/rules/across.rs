//! What tables say together: names against names, locations against locations and against what rules list, listings
//! that nobody needs.
//!
//! Pure. Nothing here compares every table with every other: files hold thousands.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::check::listed;
use super::diagnostic::Diagnostic;
use super::file::Draft;
use super::location;
use super::rule::{Context, RuleDraft};
use super::shape::Text;
use super::table::{ListingSource, Matcher, Removed, Rule};
use super::template::{Piece, PieceKind};
use crate::uri::{Bucket, Scheme, Uri};

/// Checks tables against one another, and against what is listed.
pub fn check(
    context: &Context<'_>,
    drafts: &[Draft<'_>],
    removed: &[(Removed, Text<'_>)],
    listings: &[(ListingSource, Range<usize>)],
    found: &mut Vec<Diagnostic>,
) {
    names(context, drafts, found);
    locations(context, drafts, removed, found);
    listed_locations(drafts, removed, found);
    whole_buckets(drafts, listings, found);
    unlisted(drafts, listings, found);
}

fn names(context: &Context<'_>, drafts: &[Draft<'_>], found: &mut Vec<Diagnostic>) {
    let mut first: HashMap<String, &Draft<'_>> = HashMap::new();
    for draft in drafts {
        let twin = *first.entry(draft.name.value.to_ascii_lowercase()).or_insert(draft);
        if twin.name.value != draft.name.value {
            let line = context.lines.line(twin.name.span.start);
            let message =
                format!("table `{}` differs from `{}` (line {line}) only in case", draft.name.value, twin.name.value);
            found.push(Diagnostic::error(draft.name.span.clone(), message).label("catalogs write names in lower case"));
        }
    }
}

/// A location, whose it is, and where it stands.
struct Place<'p> {
    uri: &'p Uri,
    whose: String,
    span: Range<usize>,
}

fn places<'p>(drafts: &'p [Draft<'_>], removed: &'p [(Removed, Text<'_>)]) -> Vec<Place<'p>> {
    let tables = drafts.iter().filter_map(|draft| {
        let uri = draft.table.location.as_ref()?;
        Some(Place { uri, whose: format!("table `{}`", draft.name.value), span: draft.location.as_ref()?.span.clone() })
    });
    let removed = removed.iter().map(|(removed, text)| Place {
        uri: &removed.location,
        whose: format!("removed table `{}`", removed.name),
        span: text.span.clone(),
    });
    tables.chain(removed).collect()
}

fn locations(
    context: &Context<'_>,
    drafts: &[Draft<'_>],
    removed: &[(Removed, Text<'_>)],
    found: &mut Vec<Diagnostic>,
) {
    let places = places(drafts, removed);
    let mut known = Prefixes::default();
    let mut shared: HashSet<Range<usize>> = HashSet::new();
    for (index, place) in places.iter().enumerate() {
        let with_what = |other: usize| Some((other, location::clash(places[other].uri, place.uri)?));
        let clash = known.clashing(place.uri).into_iter().filter_map(with_what).min_by_key(|(other, _)| *other);
        known.add(place.uri, index);
        let Some((other, what)) = clash.map(|(other, what)| (&places[other], what)) else { continue };
        let is_shared = other.span == place.span;
        if is_shared && shared.contains(&place.span) {
            continue;
        }
        let error = Diagnostic::error(place.span.clone(), format!("{} and {} have {what}", other.whose, place.whose))
            .note(format!("{}: {} (line {})", other.whose, other.uri.shown(), context.lines.line(other.span.start)))
            .note(format!("{}: {}", place.whose, place.uri.shown()));
        found.push(if is_shared {
            shared.insert(place.span.clone());
            error
                .label("one for all tables")
                .help("put the table's name into it\nlocation = \"s3://bucket/tables/{table}/\"")
        } else {
            error.label("each table needs a folder of its own")
        });
    }
}

/// Locations and listings that overlap: the keys there are never source objects.
fn listed_locations(drafts: &[Draft<'_>], removed: &[(Removed, Text<'_>)], found: &mut Vec<Diagnostic>) {
    let places = places(drafts, removed);
    let (mut locations, mut prefixes) = (Prefixes::default(), Prefixes::default());
    places.iter().enumerate().for_each(|(index, place)| locations.add(place.uri, index));
    let rules: Vec<(&Draft<'_>, &RuleDraft<'_>, &Rule)> = drafts
        .iter()
        .flat_map(|draft| draft.rules.iter().filter_map(move |rule| Some((draft, rule, rule.rule.as_ref()?))))
        .collect();
    for (index, (_, draft, rule)) in rules.iter().enumerate() {
        let listed = listed(rule);
        listed.iter().for_each(|prefix| prefixes.add(prefix, index));
        let Some((first, text)) = listed.first().zip(draft.text.as_ref()) else { continue };
        let mut over = locations.covering(first).into_iter();
        if let Some(place) = over.find(|at| listed.iter().all(|prefix| places[*at].uri.is_prefix_of(prefix))) {
            found.push(
                Diagnostic::warning(text.span.clone(), "this rule takes nothing: it reads from a location")
                    .label(format!("below the location of {}", places[place].whose))
                    .note("keys below a location are manifests, never source objects"),
            );
        }
    }
    for place in &places {
        let Some(index) = prefixes.covering(place.uri).into_iter().min() else { continue };
        let (table, _, rule) = rules[index];
        let prefixes = listed(rule);
        let prefix = prefixes.iter().find(|prefix| prefix.is_prefix_of(place.uri)).map_or_else(String::new, Uri::shown);
        found.push(
            Diagnostic::warning(place.span.clone(), "a location inside a prefix that rules list")
                .label("its keys are listed and left out")
                .note(format!(
                    "that of {}, which lies in {prefix} of `{}` (line {})",
                    place.whose, table.name.value, rule.line
                ))
                .help("a location elsewhere costs no listing"),
        );
    }
}

/// Rules that begin with a hole make restitch list the whole bucket.
fn whole_buckets(drafts: &[Draft<'_>], listings: &[(ListingSource, Range<usize>)], found: &mut Vec<Diagnostic>) {
    let from_elsewhere = |prefix: &Uri| {
        let covers =
            |listing: &ListingSource| listing.prefix.as_ref().is_none_or(|covered| covered.is_prefix_of(prefix));
        listings.iter().any(|(listing, _)| listing.from.is_some() && covers(listing))
    };
    for draft in drafts.iter().flat_map(|draft| &draft.rules) {
        let (Some(rule), Some(text)) = (&draft.rule, &draft.text) else { continue };
        // Of lakeFS, that its ref is open has been said.
        let is_whole = |prefix: &Uri| prefix.key.is_empty() && prefix.bucket.scheme != Scheme::LakeFs;
        let whole = listed(rule).into_iter().find(|prefix| is_whole(prefix) && !from_elsewhere(prefix));
        let Some(prefix) = whole else { continue };
        let (span, label) = match &rule.matcher {
            Matcher::Template(template) => (first_hole(&template.pieces, text), "nothing literal before it"),
            Matcher::Regex { .. } => (text.span.clone(), "`under` names no folder"),
        };
        let with_case = match &rule.matcher {
            Matcher::Template(template) => template.literal_prefixes(false),
            Matcher::Regex { under, .. } => vec![under.clone()],
        };
        if rule.ignore_case && with_case.iter().all(|prefix| !prefix.key.is_empty()) {
            found.push(
                Diagnostic::warning(text.span.clone(), "this rule lists the whole bucket")
                    .label("`ignore_case` covers the folders too")
                    .help("name the few spellings instead: `{Scans,scans}/`; or take its listing from a file: `[[listing]]`, `from`"),
            );
            continue;
        }
        let is_local = prefix.bucket.scheme == Scheme::File;
        let what = if is_local { "this rule lists the whole file system" } else { "this rule lists the whole bucket" };
        let help = "name the folders in front; or take its listing from a file: `[[listing]]`, `from`";
        found.push(Diagnostic::warning(span, what).label(label).help(help));
    }
}

/// The first piece behind the bucket that is no text, or all of the template.
fn first_hole(pieces: &[Piece], text: &Text<'_>) -> Range<usize> {
    let mut behind_bucket = false;
    for piece in pieces {
        if behind_bucket && !matches!(piece.kind, PieceKind::Text(_)) {
            return text.at(piece.span.clone());
        }
        behind_bucket |= matches!(&piece.kind, PieceKind::Text(literal) if literal.contains('/'));
    }
    text.span.clone()
}

/// `[[listing]]`s that no rule needs.
fn unlisted(drafts: &[Draft<'_>], listings: &[(ListingSource, Range<usize>)], found: &mut Vec<Diagnostic>) {
    let rules = || drafts.iter().flat_map(|draft| &draft.rules);
    if rules().any(|draft| draft.rule.is_none()) {
        return;
    }
    let mut prefixes = Prefixes::default();
    for prefix in rules().filter_map(|draft| draft.rule.as_ref()).flat_map(listed) {
        prefixes.add(&prefix, 0);
    }
    for (listing, span) in listings {
        let Some(prefix) = &listing.prefix else { continue };
        if prefixes.covering(prefix).is_empty() && prefixes.below(prefix).next().is_none() {
            found.push(Diagnostic::warning(span.clone(), "no rule lists anything under this prefix"));
        }
    }
}

/// Prefixes, each with a number, to be asked which lie over another and which below it.
#[derive(Default)]
struct Prefixes {
    /// By bucket and key; of equal ones the first.
    known: BTreeMap<(Bucket, String), usize>,
}

impl Prefixes {
    fn add(&mut self, prefix: &Uri, number: usize) {
        self.known.entry((prefix.bucket.clone(), prefix.key.clone())).or_insert(number);
    }

    fn get(&self, bucket: &Bucket, key: &str) -> Option<usize> {
        self.known.get(&(bucket.clone(), key.to_owned())).copied()
    }

    /// Those that cover this one, itself included.
    fn covering(&self, uri: &Uri) -> Vec<usize> {
        // A key has at most 1,024 bytes; what is longer than any prefix known covers nothing.
        let ends = (0..=uri.key.len().min(LONGEST_KEY)).filter(|end| uri.key.is_char_boundary(*end));
        let mut found: Vec<usize> = ends.filter_map(|end| self.get(&uri.bucket, &uri.key[..end])).collect();
        found.extend(self.get(&uri.bucket, &uri.key).filter(|_| uri.key.len() > LONGEST_KEY));
        found
    }

    /// Those below this one, itself included.
    fn below(&self, uri: &Uri) -> impl Iterator<Item = usize> + '_ {
        let (bucket, begin) = (uri.bucket.clone(), uri.key.clone());
        let from = self.known.range((bucket.clone(), begin.clone())..);
        from.take_while(move |((of, key), _)| *of == bucket && key.starts_with(&begin)).map(|(_, number)| *number)
    }

    /// Those that a location may not stand beside: around it, below it, or siblings that a switch of one may write to.
    fn clashing(&self, uri: &Uri) -> Vec<usize> {
        let mut found = self.covering(uri);
        found.extend(self.below(uri).next());
        let siblings = Uri::new(uri.bucket.clone(), format!("{}--", uri.key.trim_end_matches('/')));
        found.extend(self.below(&siblings).take(MOST_SIBLINGS));
        for (at, _) in uri.key.match_indices("--") {
            found.extend(self.get(&uri.bucket, &format!("{}/", &uri.key[..at])));
        }
        found
    }
}

/// Names beginning with a location's own and `--` that are looked at.
const MOST_SIBLINGS: usize = 100;

/// Bytes of the longest key that S3 takes.
const LONGEST_KEY: usize = 1024;
