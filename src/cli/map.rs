//! `restitch map`: URIs or a listing in, JSON lines out. Streams; what `pick` or `done` holds back comes at the end.

use std::io::IsTerminal;
use std::path::Path;

use futures::TryStreamExt;

use super::{Exit, Global, Output, rule_file};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::lines::Lines;
use crate::listing::{Object, PageBuilder};
use crate::map::{Mapper, Program, Sink, Taken, Why};
use crate::rules::table::Rules;
use crate::uri::Uri;

#[derive(clap::Args)]
pub struct MapArgs {
    /// Object URIs, or paths of local files; `-` for a listing on standard input, which is also read where neither a
    /// URI nor `--listing` is given
    #[arg(value_name = "URI")]
    uris: Vec<String>,
}

/// # Errors
/// Those of the rule file, of the listing (`Corrupt` with file and line), of a URI that is none (`Usage`), and `Usage`
/// where a rule asks for what the listing lacks.
pub async fn run(global: &Global, args: &MapArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let program = Program::new(&rules);
    let mut run = Run { rules: &rules, mapper: Mapper::new(&program), said: Said::default(), out: Output::bytes() };
    for uri in &args.uris {
        match uri.as_str() {
            "-" => run.listing(&Lines::open(Path::new("-"), None)?).await?,
            uri => run.uri(&rule_file::object_uri(uri)?)?,
        }
    }
    for listing in &global.listing {
        run.listing(&Lines::open(Path::new(&listing.source), listing.prefix.clone())?).await?;
    }
    if args.uris.is_empty() && global.listing.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(nothing_to_map());
        }
        run.listing(&Lines::open(Path::new("-"), None)?).await?;
    }
    run.finish()
}

fn nothing_to_map() -> Error {
    Error::new(ErrorKind::Usage, "no URI is given, and standard input is a terminal")
        .help("restitch map s3://bucket/key\nrestitch ls | restitch map\nrestitch map --listing s3://bucket/=keys.txt")
}

struct Run<'r> {
    rules: &'r Rules,
    mapper: Mapper<'r>,
    said: Said,
    out: Output,
}

impl Run<'_> {
    fn uri(&mut self, uri: &Uri) -> Result<()> {
        let mut page = PageBuilder::new(uri.bucket.clone());
        page.push(&Object::bare(&uri.bucket, &uri.key));
        self.mapper.page(&page.finish(), &mut self.said)?;
        self.write()
    }

    async fn listing(&mut self, lines: &Lines) -> Result<()> {
        let mut pages = lines.all();
        while let Some(page) = pages.try_next().await? {
            self.mapper.page(&page, &mut self.said)?;
            self.write()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Exit> {
        self.mapper.finish(&mut self.said)?;
        self.write()?;
        self.out.flush()?;
        Ok(Exit::Done)
    }

    /// Writes what the mapper has said since the last time; only between pages can it be asked what a partition is.
    fn write(&mut self) -> Result<()> {
        for id in (self.said.ends.len() as u32..self.mapper.partitions()).map(crate::map::PartitionId) {
            let (table, values) = self.mapper.partition(id);
            self.said.ends.push(line_end(&self.rules.tables[table], values));
        }
        let mut start = 0;
        for (end, outcome) in &self.said.outcomes {
            self.out.write(b"{\"uri\":")?;
            self.out.write(&self.said.uris[start..*end])?;
            match outcome {
                Outcome::Taken(taken) => {
                    let rule = &self.rules.tables[taken.table as usize].rules[taken.rule as usize];
                    self.out.write(&self.said.ends[taken.partition.0 as usize])?;
                    writeln!(self.out, "{}}}", rule.number)?;
                }
                Outcome::Left(why) => writeln!(self.out, ",\"table\":null,\"why\":\"{}\"}}", why.name())?,
            }
            start = *end;
        }
        self.said.uris.clear();
        self.said.outcomes.clear();
        Ok(())
    }
}

/// What the mapper said of the objects of a page, until it is written.
#[derive(Default)]
struct Said {
    /// One after another, as JSON strings.
    uris: Vec<u8>,
    /// Where each one's URI ends.
    outcomes: Vec<(usize, Outcome)>,
    /// By partition: the line's text from behind the URI up to the rule's number.
    ends: Vec<Vec<u8>>,
    raw: Vec<u8>,
}

enum Outcome {
    Taken(Taken),
    Left(Why),
}

impl Said {
    fn say(&mut self, object: &Object<'_>, outcome: Outcome) {
        self.raw.clear();
        Object { physical: None, ..*object }.write_line(&mut self.raw);
        write_json(std::str::from_utf8(&self.raw).expect("scheme, bucket and key are text"), &mut self.uris);
        self.outcomes.push((self.uris.len(), outcome));
    }
}

impl Sink for Said {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        self.say(object, Outcome::Taken(taken));
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        self.say(object, Outcome::Left(why));
    }
}

/// `,"table":"taxes","partition":{"region":"amer"},"rule":`
fn line_end(table: &crate::rules::table::Table, values: &[crate::value::PartitionValue]) -> Vec<u8> {
    let mut end = b",\"table\":".to_vec();
    write_json(&table.name, &mut end);
    end.extend_from_slice(b",\"partition\":{");
    for (number, (column, value)) in table.partitioned_by.iter().zip(values).enumerate() {
        if number > 0 {
            end.push(b',');
        }
        write_json(&column.name, &mut end);
        end.push(b':');
        match value.as_str() {
            Some(text) => write_json(text, &mut end),
            None => end.extend_from_slice(b"null"),
        }
    }
    end.extend_from_slice(b"},\"rule\":");
    end
}

fn write_json(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a Vec takes all bytes");
}
