//! Tables in the AWS Glue Data Catalog, or in a server that speaks its language.
//!
//! Who asks what, in which batches, again when; what our fields are in Glue's is in `entry`, what its errors mean in
//! `failure`. Settings, credentials, sockets and retries are those of [`crate::listing::s3`].

mod entry;
mod failure;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_glue::Client;
use aws_sdk_glue::config::http::HttpResponse;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::types::{
    BatchUpdatePartitionRequestEntry, DatabaseInput, ErrorDetail, Partition, PartitionValueList, Segment, Table,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use self::failure::Failure;
use super::{Catalog, Entry, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::s3::connection::{
    check_endpoint, http_client, profile, retries, retry_partition, settings, timeouts, try_timeout,
};
use crate::listing::s3::watch::{Counts, Kind, Reach, Watch};
use crate::listing::said::is_loopback;
use crate::plan::catalog::{PartitionDefinition, TableDefinition};
use crate::rules::table::Access;
use crate::uri::Shown;

/// Partitions of one call, by Glue's own rules.
const READ_BATCH: usize = 1_000;
const WRITE_BATCH: usize = 100;
const DELETE_BATCH: usize = 25;
const MAX_PAGE_PARTITIONS: i32 = 1_000;

/// Batches under way at once.
const BATCHES: usize = 4;

/// Chains of pages that a table of more than one page is read in, by Glue's own rule.
const SEGMENTS: i32 = 10;

/// Tries of what the SDK does not try again: a call that Glue did not end in time or that met another one, an item that
/// failed in Glue. The pauses double from this.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// One database.
#[derive(Debug)]
pub struct Glue {
    client: Client,
    database: String,
    catalog_id: Option<String>,
    page_size: i32,
    counts: Arc<Counts>,
    /// Whose credentials are taken, where that is said.
    profile: Option<String>,
    region: String,
    endpoint: Option<String>,
    is_endpoint_in_rules: bool,
    try_timeout: Duration,
}

impl Glue {
    /// The database in the catalog that `access` reaches; `catalog_id`, an account, where it is another one's. Asks nothing
    /// yet.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL, or where no region is set.
    pub async fn open(database: &str, access: &Access, catalog_id: Option<&str>) -> Result<Glue> {
        let sdk = settings(access, "AWS_ENDPOINT_URL_GLUE", None).await;
        let mut glue = Glue::over(&sdk, database, access, catalog_id)?;
        glue.profile = profile(access);
        Ok(glue)
    }

    /// The same with the caller's own settings of the SDK, under what `access` says.
    ///
    /// # Errors
    /// As [`Glue::open`].
    pub fn over(sdk: &SdkConfig, database: &str, access: &Access, catalog_id: Option<&str>) -> Result<Glue> {
        check_endpoint(access)?;
        let region = access.region.clone().or_else(|| sdk.region().map(|region| region.as_ref().to_owned()));
        let region = region.ok_or_else(|| {
            let error = Error::new(ErrorKind::Usage, "nothing says the region of the Glue catalog");
            error.help("say it in the rule file:\n[catalog]\nregion = \"eu-west-1\"\nor: export AWS_REGION=eu-west-1")
        })?;
        let own_endpoint = || std::env::var("AWS_ENDPOINT_URL_GLUE").ok().filter(|url| !url.is_empty());
        let endpoint = access.endpoint.clone().or_else(own_endpoint).or_else(|| sdk.endpoint_url().map(str::to_owned));
        let (try_timeout, reach) = (try_timeout(sdk), Reach::default());
        let mut config = aws_sdk_glue::config::Builder::from(sdk)
            .region(aws_sdk_glue::config::Region::new(region.clone()))
            .retry_config(retries(sdk))
            .retry_partition(retry_partition())
            .retry_classifier(reach.clone())
            .interceptor(reach)
            .timeout_config(timeouts(try_timeout));
        if let Some(endpoint) = &access.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if sdk.http_client().is_none() {
            config = config.http_client(http_client(endpoint.as_deref().is_some_and(is_loopback)));
        }
        Ok(Glue {
            client: Client::from_conf(config.build()),
            database: database.to_lowercase(),
            catalog_id: catalog_id.map(str::to_owned),
            page_size: MAX_PAGE_PARTITIONS,
            counts: Arc::default(),
            profile: access.profile.clone(),
            region,
            endpoint,
            is_endpoint_in_rules: access.endpoint.is_some(),
            try_timeout,
        })
    }

    /// Partitions a page, 1 to 1,000.
    #[must_use]
    pub fn page_size(mut self, partitions: usize) -> Glue {
        self.page_size = i32::try_from(partitions).unwrap_or(MAX_PAGE_PARTITIONS).clamp(1, MAX_PAGE_PARTITIONS);
        self
    }

    /// Sends what `request` makes of a client; again where Glue did not end it in time, or, unless `is_decisive`, where
    /// another call was in its way.
    async fn send<T, E, F>(
        &self,
        watch: &Watch,
        is_decisive: bool,
        request: impl Fn(&Client, Watch) -> F,
    ) -> std::result::Result<T, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match request(&self.client, watch.clone()).await {
                Err(error) if failure::is_passing(error.code(), is_decisive) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        request(&self.client, watch.clone()).await
    }

    fn watch(&self) -> Watch {
        Watch::new(Kind::Other, &self.counts)
    }

    fn failure<'a>(&'a self, watch: &'a Watch, action: &'static str, table: &'a str) -> Failure<'a> {
        Failure { glue: self, watch, action, table }
    }

    /// The table with everything that Glue says of it.
    async fn whole(&self, name: &str) -> Result<Option<Table>> {
        let watch = self.watch();
        let sent = self.send(&watch, false, |client, watch| {
            let request = client.get_table().database_name(&self.database).name(name);
            request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
        });
        match sent.await {
            Ok(output) => Ok(output.table),
            Err(error) if error.code() == Some("EntityNotFoundException") => Ok(None),
            Err(error) => Err(self.failure(&watch, "GetTable", name).of(error)),
        }
    }

    /// Those of the partitions with these values that are there, with everything that Glue says of them. Glue may leave
    /// keys for another call.
    async fn whole_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<Partition>> {
        let watch = self.watch();
        let mut left: Vec<PartitionValueList> = values.iter().map(|values| value_list(values)).collect();
        let mut found = Vec::new();
        while !left.is_empty() {
            let sent = self.send(&watch, false, |client, watch| {
                let request = client.batch_get_partition().database_name(&self.database).table_name(name);
                let request = request.set_partitions_to_get(Some(left.clone()));
                request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
            });
            let failure = self.failure(&watch, "BatchGetPartition", name);
            let output = sent.await.map_err(|error| failure.of(error))?;
            let unread = output.unprocessed_keys.unwrap_or_default();
            if unread.len() >= left.len() {
                return Err(failure.unread(unread.len()));
            }
            left = unread;
            found.extend(output.partitions.unwrap_or_default());
        }
        Ok(found)
    }

    /// Pages of one segment.
    fn pages<'a>(&'a self, name: &str, segment: i32) -> BoxStream<'a, Result<Page>> {
        let start = Some((name.to_owned(), None));
        let next = move |cursor: Option<(String, Option<String>)>| async move {
            let Some((name, token)) = cursor else { return Ok(None) };
            let page = self.page(&name, Some(segment), token.as_deref()).await?;
            let cursor = page.next.clone().map(|token| (name, Some(token)));
            Ok(Some((page, cursor)))
        };
        stream::try_unfold(start, next).boxed()
    }

    async fn page(&self, name: &str, segment: Option<i32>, token: Option<&str>) -> Result<Page> {
        let watch = self.watch();
        let segment = segment.map(|number| {
            let segment = Segment::builder().segment_number(number).total_segments(SEGMENTS);
            segment.build().expect("it has both numbers")
        });
        let sent = self.send(&watch, false, |client, watch| {
            let request = client.get_partitions().database_name(&self.database).table_name(name);
            let request = request.set_segment(segment.clone()).max_results(self.page_size);
            let request = request.set_next_token(token.map(str::to_owned));
            request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
        });
        let output = sent.await.map_err(|error| self.failure(&watch, "GetPartitions", name).of(error))?;
        let next = output.next_token.filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == token {
            return Err(self.failure(&watch, "GetPartitions", name).stuck());
        }
        let partitions = output.partitions.unwrap_or_default().into_iter().map(entry::partition).collect();
        Ok(Page { partitions, next })
    }

    /// Does `call` to batches of `items`, each with its index; items that failed in Glue are tried again, each with what
    /// else is left.
    async fn batches<T, F>(
        &self,
        items: Vec<(usize, T)>,
        batch: usize,
        call: impl Fn(Vec<(usize, T)>) -> F + Sync,
    ) -> Result<Vec<(usize, Error)>>
    where
        T: Clone + Send,
        F: Future<Output = Result<Vec<Refused>>> + Send,
    {
        let (mut left, mut failed) = (items, Vec::new());
        let mut pause = PAUSE;
        for tries_left in (0..TRIES).rev() {
            let batches: Vec<Vec<(usize, T)>> = left.chunks(batch).map(<[_]>::to_vec).collect();
            let mut answers = stream::iter(batches).map(&call).buffer_unordered(BATCHES).boxed();
            let mut again = HashSet::new();
            while let Some(refused) = answers.try_next().await? {
                for Refused { index, error, is_passing } in refused {
                    if is_passing && tries_left > 0 {
                        again.insert(index);
                    } else {
                        failed.push((index, error));
                    }
                }
            }
            drop(answers);
            left.retain(|(index, _)| again.contains(index));
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        failed.sort_unstable_by_key(|(index, _)| *index);
        Ok(failed)
    }
}

struct Page {
    partitions: Vec<PartitionDefinition>,
    next: Option<String>,
}

/// An item of a batch that was not done.
struct Refused {
    index: usize,
    error: Error,
    /// Whether the next try may go well.
    is_passing: bool,
}

/// The errors of an answer, each with the index of the item that it is about.
fn refused<'e>(
    failure: &Failure<'_>,
    indices: &HashMap<Vec<String>, usize>,
    errors: impl IntoIterator<Item = (&'e [String], Option<&'e ErrorDetail>)>,
) -> Result<Vec<Refused>> {
    let of = |(values, detail): (&'e [String], Option<&'e ErrorDetail>)| {
        let code = detail.and_then(ErrorDetail::error_code);
        let error = failure.of_item(values, code, detail.and_then(ErrorDetail::error_message));
        // An error that is about nothing that was sent may be about anything.
        let Some(index) = indices.get(values) else { return Err(error) };
        Ok(Refused { index: *index, error, is_passing: failure::is_item_passing(code) })
    };
    errors.into_iter().map(of).collect()
}

fn value_list(values: &[String]) -> PartitionValueList {
    PartitionValueList::builder().set_values(Some(values.to_vec())).build().expect("it has values")
}

#[async_trait]
impl Catalog for Glue {
    fn shown(&self) -> String {
        format!("Glue database {} in {}", Shown(&self.database), Shown(&self.region))
    }

    async fn database_exists(&self) -> Result<bool> {
        let watch = self.watch();
        let sent = self.send(&watch, false, |client, watch| {
            let request = client.get_database().name(&self.database).set_catalog_id(self.catalog_id.clone());
            request.customize().interceptor(watch).send()
        });
        match sent.await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("EntityNotFoundException") => Ok(false),
            Err(error) => Err(self.failure(&watch, "GetDatabase", "").of(error)),
        }
    }

    async fn create_database(&self) -> Result<()> {
        let watch = self.watch();
        let input = DatabaseInput::builder().name(&self.database).build().expect("it has a name");
        let sent = self.send(&watch, false, |client, watch| {
            let request = client.create_database().database_input(input.clone());
            request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
        });
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(()),
            Err(error) => Err(self.failure(&watch, "CreateDatabase", "").of(error)),
        }
    }

    async fn table(&self, name: &str) -> Result<Option<Entry>> {
        let table = self.whole(&name.to_lowercase()).await?;
        Ok(table.map(|table| Entry {
            table: entry::table(&table),
            version: version_of(&table),
            table_type: table.table_type.clone(),
            buckets: entry::buckets(&table),
        }))
    }

    async fn create_table(&self, name: &str, table: &TableDefinition) -> Result<()> {
        let (name, watch) = (name.to_lowercase(), self.watch());
        let input = entry::new_table(&name, table);
        let sent = self.send(&watch, true, |client, watch| {
            let request = client.create_table().database_name(&self.database).table_input(input.clone());
            request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
        });
        sent.await.map(|_| ()).map_err(|error| self.failure(&watch, "CreateTable", &name).of(error))
    }

    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()> {
        let (name, watch) = (name.to_lowercase(), self.watch());
        let failure = self.failure(&watch, "UpdateTable", &name);
        let there = self.whole(&name).await?.ok_or_else(|| failure.conflict("it is gone"))?;
        if version_of(&there) != *version {
            return Err(failure.conflict("it has another version"));
        }
        let Some(input) = entry::table_over(&there, table, removed) else { return Err(failure.not_external()) };
        let sent = self.send(&watch, true, |client, watch| {
            let request = client.update_table().database_name(&self.database).table_input(input.clone());
            let request = request.set_version_id(there.version_id.clone());
            request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
        });
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("EntityNotFoundException") => Err(failure.conflict("it is gone")),
            Err(error) => Err(failure.of(error)),
        }
    }

    fn partitions<'a>(&'a self, name: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>> {
        let name = name.to_lowercase();
        let first = async move {
            // Most tables are one page: they are not asked for in ten segments.
            match self.page(&name, None, None).await {
                Err(error) => stream::once(async { Err(error) }).boxed(),
                Ok(Page { partitions, next: None }) => stream::once(async { Ok(partitions) }).boxed(),
                Ok(_) => {
                    let segments = (0..SEGMENTS).map(|number| self.pages(&name, number));
                    stream::select_all(segments).map_ok(|page| page.partitions).boxed()
                }
            }
        };
        stream::once(first).flatten().boxed()
    }

    async fn partitions_of(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<PartitionDefinition>> {
        let name = &name.to_lowercase();
        let batches: Vec<Vec<Vec<String>>> = values.chunks(READ_BATCH).map(<[_]>::to_vec).collect();
        let read = |values: Vec<Vec<String>>| async move { self.whole_partitions(name, &values).await };
        let found: Vec<Vec<Partition>> = stream::iter(batches).map(read).buffered(BATCHES).try_collect().await?;
        Ok(found.into_iter().flatten().map(entry::partition).collect())
    }

    async fn create_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        let name = &name.to_lowercase();
        let inputs = partitions.iter().map(|partition| entry::new_partition(name, partition)).enumerate().collect();
        let create = |batch: Vec<(usize, _)>| async move {
            let watch = self.watch();
            let indices = batch.iter().map(|(index, _)| (partitions[*index].values.clone(), *index)).collect();
            let inputs: Vec<_> = batch.into_iter().map(|(_, input)| input).collect();
            let sent = self.send(&watch, false, |client, watch| {
                let request = client.batch_create_partition().database_name(&self.database).table_name(name);
                let request = request.set_partition_input_list(Some(inputs.clone()));
                request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
            });
            let failure = self.failure(&watch, "BatchCreatePartition", name);
            let output = sent.await.map_err(|error| failure.of(error))?;
            let errors = output.errors().iter().map(|error| (error.partition_values(), error.error_detail()));
            refused(&failure, &indices, errors)
        };
        self.batches(inputs, WRITE_BATCH, create).await
    }

    async fn update_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        let name = &name.to_lowercase();
        let update = |batch: Vec<(usize, PartitionDefinition)>| async move {
            let watch = self.watch();
            let failure = self.failure(&watch, "BatchUpdatePartition", name);
            let values: Vec<Vec<String>> = batch.iter().map(|(_, partition)| partition.values.clone()).collect();
            let there = self.whole_partitions(name, &values).await?;
            let there: HashMap<&[String], &Partition> = there.iter().map(|there| (there.values(), there)).collect();
            let (mut entries, mut indices, mut gone) = (Vec::new(), HashMap::new(), Vec::new());
            for (index, partition) in batch {
                let Some(there) = there.get(partition.values.as_slice()) else {
                    let error = failure.of_item(&partition.values, Some("EntityNotFoundException"), None);
                    gone.push(Refused { index, error, is_passing: false });
                    continue;
                };
                let entry = BatchUpdatePartitionRequestEntry::builder()
                    .set_partition_value_list(Some(partition.values.clone()))
                    .partition_input(entry::partition_over(name, there, &partition));
                entries.push(entry.build().expect("it has values and a partition"));
                indices.insert(partition.values, index);
            }
            if entries.is_empty() {
                return Ok(gone);
            }
            let sent = self.send(&watch, false, |client, watch| {
                let request = client.batch_update_partition().database_name(&self.database).table_name(name);
                let request = request.set_entries(Some(entries.clone()));
                request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
            });
            let output = sent.await.map_err(|error| failure.of(error))?;
            let errors = output.errors().iter().map(|error| (error.partition_value_list(), error.error_detail()));
            gone.extend(refused(&failure, &indices, errors)?);
            Ok(gone)
        };
        self.batches(partitions.iter().cloned().enumerate().collect(), WRITE_BATCH, update).await
    }

    async fn delete_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<(usize, Error)>> {
        let name = &name.to_lowercase();
        let delete = |batch: Vec<(usize, Vec<String>)>| async move {
            let watch = self.watch();
            let lists: Vec<PartitionValueList> = batch.iter().map(|(_, values)| value_list(values)).collect();
            let indices = batch.into_iter().map(|(index, values)| (values, index)).collect();
            let sent = self.send(&watch, false, |client, watch| {
                let request = client.batch_delete_partition().database_name(&self.database).table_name(name);
                let request = request.set_partitions_to_delete(Some(lists.clone()));
                request.set_catalog_id(self.catalog_id.clone()).customize().interceptor(watch).send()
            });
            let failure = self.failure(&watch, "BatchDeletePartition", name);
            let output = sent.await.map_err(|error| failure.of(error))?;
            let errors = output.errors().iter().map(|error| (error.partition_values(), error.error_detail()));
            let is_gone = |detail: Option<&ErrorDetail>| {
                detail.and_then(ErrorDetail::error_code) == Some("EntityNotFoundException")
            };
            refused(&failure, &indices, errors.filter(|(_, detail)| !is_gone(*detail)))
        };
        self.batches(values.iter().cloned().enumerate().collect(), DELETE_BATCH, delete).await
    }

    fn requests(&self) -> u64 {
        self.counts.all()
    }
}

/// Glue's own; a digest of all that was read where a server has none.
fn version_of(table: &Table) -> Version {
    Version(table.version_id.clone().unwrap_or_else(|| entry::digest(table)))
}
