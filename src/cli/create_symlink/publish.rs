//! The flags as rules, the rules as a plan, and that carried out. Asks nothing, as lakectl asked nothing.

use std::path::Path;

use super::rules::{Wanted, text};
use super::{ClientType, CreateSymlinkArgs};
use crate::apply::current::{foreign_marker, publishable};
use crate::apply::interrupt::Interrupt;
use crate::apply::planning::Planning;
use crate::apply::{lease, random_id};
use crate::catalog::Catalogs;
use crate::cli::ask::unless_interrupted;
use crate::cli::plan::draw::{self, Drawn};
use crate::cli::plan::{refuse, show};
use crate::cli::rule_file::{Elsewhere, RuleFile};
use crate::cli::{Exit, Global, Output, apply};
use crate::ddl;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Sources;
use crate::listing::lakefs::Metastore;
use crate::plan::brakes::Allowed;
use crate::plan::marker::Marker;
use crate::rules::Like;
use crate::rules::given::{Given, Repository};
use crate::rules::table::{Access, CatalogService, CatalogSettings, Rules, Table};
use crate::store::Stores;
use crate::uri::Shown;

/// What stands for the rule file in messages: whoever wants to see its lines prints them.
const PRINTED: &str = "--print-rules";

/// # Errors
/// As [`super::run`].
pub async fn run(global: &Global, args: &CreateSymlinkArgs) -> Result<Exit> {
    let (text, given) = unless_interrupted(global, rule_text(global, args)).await?;
    if !args.print_rules {
        place(args)?;
    } else {
        let mut out = Output::bytes();
        out.write(text.as_bytes())?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    let rules = unless_interrupted(global, RuleFile::of(Path::new(PRINTED), text, given)).await?.into_rules()?;
    let options = args.locking.options(&random_id()?, Interrupt::new(global.interrupt()))?;
    let draw = async {
        let sources = global.sources(&rules).await?;
        let planning = planning(args, &rules, &sources).await?;
        let run = (!args.dry_run).then_some(&options);
        // There is no rule file that the tables beside could have left.
        let looks = draw::Looks { relist: false, beside: false };
        draw::draw(global, &rules, &sources, planning, || (), run, looks).await
    };
    let mut drawn = unless_interrupted(global, draw).await?;
    for table in &mut drawn.tables {
        table.refusals = std::mem::take(&mut table.refusals).into_iter().map(of_printed).collect();
    }
    let mut out = Output::text();
    if let Some(error) = nothing_there(args, &drawn).filter(|_| !drawn.is_refused()) {
        // What was left out may tell why.
        show::left_out(&mut out, &drawn, global.verbose > 0)?;
        out.flush()?;
        return Err(error);
    }
    if !args.dry_run {
        return apply::publish(global, &rules, drawn, &options, true).await;
    }
    show::show(&mut out, &drawn, global.verbose > 0)?;
    out.flush()?;
    if drawn.is_refused() {
        refuse(global, drawn)?;
    }
    Ok(Exit::Done)
}

/// The rule file's text, for the partition keys that the table has now, and what was fetched for it.
async fn rule_text(global: &Global, args: &CreateSymlinkArgs) -> Result<(String, Given)> {
    let metastore = Metastore::read()?;
    let path = args.path.trim_matches('/');
    for (flag, value) in [("--repo", args.repo.as_str()), ("--branch", &args.branch), ("--path", path)] {
        if value.is_empty() || (flag != "--path" && value.contains('/')) {
            let message = format!("{flag}: `{}` is no {}", Shown(value), &flag[2..]);
            return Err(Error::new(ErrorKind::Usage, message).help("--repo my-repo --branch main --path my_table"));
        }
    }
    // What is wrong with the repository is said in lakeFS's own words, not in those of a rule file.
    let repository = Repository { name: args.repo.clone(), access: Access::default() };
    let mut elsewhere = Elsewhere::default();
    let namespace = elsewhere.namespace(&repository).await?;
    let database = args.to_schema.as_ref().unwrap_or(&args.from_schema).to_lowercase();
    let table = args.to_table.as_ref().unwrap_or(&args.from_table).to_lowercase();
    let source = format!("{}.{}", args.from_schema.to_lowercase(), args.from_table.to_lowercase());
    let catalog_id = args.catalog_id.as_deref().or(metastore.glue_catalog_id.as_deref());
    let (region, profile) = (metastore.glue_region.as_deref(), metastore.glue_profile.as_deref());
    let own = |text: Option<&str>| text.map(str::to_owned);
    let (like, catalog) = match client_type(args, &metastore)? {
        ClientType::Glue if source == format!("{database}.{table}") => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("Glue table `{}` would become its own copy", Shown(&source)),
            )
            .help(format!("--to-table {}_symlink, or --to-schema", Shown(&table))));
        }
        ClientType::Glue => {
            let service = CatalogService::Glue {
                region: own(region),
                profile: own(profile),
                endpoint: None,
                catalog_id: own(catalog_id),
            };
            (format!("glue:{source}"), Some(service))
        }
        ClientType::Hive => {
            let uri = metastore.hive_uri.as_deref().ok_or_else(no_metastore)?;
            // lakectl took a bare host and port.
            let uri = if uri.contains("://") { uri.to_owned() } else { format!("thrift://{uri}") };
            (format!("hive:{}/{source}", uri.trim_end_matches('/')), None)
        }
    };
    let glue = [("region", region), ("profile", profile), ("catalog_id", catalog_id)];
    let wanted = Wanted {
        repo: &args.repo,
        branch: &args.branch,
        path,
        like: &like,
        database: &database,
        table: &table,
        glue,
        live: global.listing.is_empty(),
    };
    // The database is the name's own.
    let settings = catalog.map(|service| CatalogSettings { database: String::new(), service });
    let wrong = |(message, _)| Error::new(ErrorKind::Usage, message);
    let described = source;
    let source = Like::parse(&like, &[], settings.as_ref()).map_err(wrong)?;
    let definition = elsewhere.definition(&source).await?;
    if definition.format.is_none() {
        let message = format!("`{}` does not say how its rows are read: it has no serde", Shown(&described));
        return Err(Error::new(ErrorKind::Unsupported, message)
            .help("give that table a serde; or say it in a rule file, with `format` or `columns`: docs/rules.md"));
    }
    let text = text(&wanted, &definition.partitioned_by);
    let mut given = Given::default();
    given.place(repository, Ok(namespace));
    given.define(source, Ok(definition));
    Ok((text, given))
}

/// Whether manifests can lie at the place that the path names.
fn place(args: &CreateSymlinkArgs) -> Result<()> {
    let path = args.path.trim_matches('/');
    let cannot = |what: String| Error::new(ErrorKind::Usage, format!("--path: `{}` {what}", Shown(path)));
    if let Some((_, rest)) = path.split_once("://") {
        let rest = rest.strip_prefix(&format!("{}/{}/", args.repo, args.branch)).unwrap_or("my_table");
        return Err(cannot("is a URI, and no path on the branch".to_owned()).help(format!("--path {}", Shown(rest))));
    }
    let odd = path.split('/').find(|component| ["", ".", ".."].contains(component));
    let odd = odd.map(|component| format!("a component `{component}`"));
    let odd = odd.or_else(|| {
        Some(format!("`{}`", path.chars().find(|c| "{}*?".contains(*c) || c.is_control())?.escape_debug()))
    });
    odd.map_or(Ok(()), |odd| {
        Err(cannot(format!("has {odd}, which no location can have: engines read it as another place")).help(
            "give the table another path in lakeFS; or print its rules with --print-rules, and give them another `location`",
        ))
    })
}

/// A refusal that speaks of a rule file, which the user does not have.
fn of_printed(refusal: Error) -> Error {
    let speaks = |help: &str| ["[table.", "`location`", "--allow-removals"].iter().any(|word| help.contains(word));
    match refusal.help_text().is_some_and(speaks) {
        true => refusal.note("the rule file that is meant is what --print-rules prints, and `restitch apply` goes by"),
        false => refusal,
    }
}

fn client_type(args: &CreateSymlinkArgs, metastore: &Metastore) -> Result<ClientType> {
    match (args.from_client_type, metastore.kind.as_deref()) {
        (Some(kind), _) => Ok(kind),
        (None, Some("hive")) => Ok(ClientType::Hive),
        (None, Some("glue")) => Ok(ClientType::Glue),
        (None, _) => {
            let error = Error::new(ErrorKind::Usage, "nothing says where the table is described");
            Err(error.help("--from-client-type hive, or --from-client-type glue"))
        }
    }
}

fn no_metastore() -> Error {
    Error::new(ErrorKind::Usage, "nothing says where the Hive metastore is").help(
        "set LAKECTL_METASTORE_HIVE_URI, or say it in ~/.lakectl.yaml:\n\
         metastore:\n  hive:\n    uri: metastore.example.com:9083",
    )
}

/// What lakectl let happen, where it stands: lines move and lines go, as the rules say. Manifests at this place without a
/// marker are lakectl's, and so is a table of Glue that reads them.
async fn planning(args: &CreateSymlinkArgs, rules: &Rules, sources: &Sources) -> Result<Planning> {
    let table = &rules.tables[0];
    let its_rule = format!("{}:1", table.name);
    if let Some(other) = args.allow_empty.as_deref().filter(|rule| !rule.is_empty() && *rule != its_rule) {
        let message = format!("--allow-empty: `{}` is no rule of this table", Shown(other));
        return Err(Error::new(ErrorKind::Usage, message).help(format!("--allow-empty={its_rule}")));
    }
    let allowed = Allowed { empty: args.allow_empty.is_some(), ..Allowed::default() };
    Ok(Planning {
        file: PRINTED.to_owned(),
        accept_moves: true,
        in_place: true,
        adopt: args.adopt || is_lakectls(table, sources).await?,
        create_database: args.create_database,
        allowed,
        ..Planning::default()
    })
}

/// Whether nobody else than lakectl, or we, can have made what is there.
async fn is_lakectls(table: &Table, sources: &Sources) -> Result<bool> {
    let location = publishable(table)?;
    let store = Stores::default().open(location, &sources.access(location)).await?;
    let found = lease::read(store.as_ref(), location).await?;
    if found.is_some_and(|found| foreign_marker(&found, &Marker::new(None, table), location).is_some()) {
        return Ok(false);
    }
    let Some(settings) = &table.catalog else { return Ok(true) };
    let catalog = Catalogs::default().open(settings).await?;
    let Some(entry) = catalog.table(&table.name).await? else { return Ok(true) };
    let storage = entry.table.storage;
    let is_there = storage.location.trim_end_matches('/') == location.raw().trim_end_matches('/');
    Ok(is_there && storage.input_format == ddl::create::SYMLINK_INPUT_FORMAT)
}

/// A path with no object of the table is a path that is written wrong, more often than not.
fn nothing_there(args: &CreateSymlinkArgs, drawn: &Drawn) -> Option<Error> {
    let plan = drawn.plans().next()?;
    // A published table has its brake.
    if args.allow_empty.is_some() || plan.after.lines > 0 || plan.before.lines > 0 {
        return None;
    }
    let (repo, branch, path) = (Shown(&args.repo), Shown(&args.branch), Shown(args.path.trim_matches('/')));
    let error = Error::new(
        ErrorKind::NotFound,
        format!("nothing that is committed in lakefs://{repo}/{branch}/{path}/ belongs to the table"),
    );
    let error = error.note("nothing was written");
    let directories: Vec<String> = plan.columns.iter().map(|column| format!("{}=…", Shown(column))).collect();
    let error = match directories.is_empty() {
        true => error,
        false => error.note(format!("its objects are in directories {}/", directories.join("/"))),
    };
    Some(error.help(format!("lakectl fs ls lakefs://{repo}/{branch}/{path}/; if it is right: --allow-empty")))
}
