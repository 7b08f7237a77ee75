//! A bucket's versioning and lifecycle rules, asked of S3 and said in the words of [`upkeep`](crate::listing::upkeep).

use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{self, BucketVersioningStatus, ExpirationStatus};

use super::connection::Connection;
use super::watch::{Counts, Kind, Watch};
use super::{Action, Failure};
use crate::error::{ErrorKind, Result};
use crate::listing::upkeep::{End, LifecycleRule, Upkeep, When};
use crate::uri::{Bucket, Uri};

/// Storage classes from which an object must be brought back before it can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// `None` where nobody says who asks: such settings are the owner's.
pub(super) async fn upkeep(connection: &Connection, counts: &Arc<Counts>, bucket: &Bucket) -> Option<Upkeep> {
    if connection.access().anonymous {
        return None;
    }
    let root = Uri::new(bucket.clone(), "");
    let (keeps_versions, lifecycle) =
        futures::future::join(keeps_versions(connection, counts, &root), lifecycle(connection, counts, &root)).await;
    Some(Upkeep { region: connection.region(&bucket.name), keeps_versions, lifecycle })
}

async fn keeps_versions(connection: &Connection, counts: &Arc<Counts>, root: &Uri) -> Result<bool> {
    let watch = Watch::new(Kind::Other, counts);
    let bucket = &root.bucket.name;
    let sent = connection.send(bucket, |client| {
        client.get_bucket_versioning().bucket(bucket).customize().interceptor(watch.clone()).send()
    });
    match sent.await {
        Ok(answer) => Ok(answer.status == Some(BucketVersioningStatus::Enabled)),
        Err(error) => {
            unless_unknown(Failure { connection, watch: &watch, action: Action::Versioning, uri: root }.of(error))
        }
    }
}

async fn lifecycle(connection: &Connection, counts: &Arc<Counts>, root: &Uri) -> Result<Vec<LifecycleRule>> {
    let watch = Watch::new(Kind::Other, counts);
    let bucket = &root.bucket.name;
    let sent = connection.send(bucket, |client| {
        client.get_bucket_lifecycle_configuration().bucket(bucket).customize().interceptor(watch.clone()).send()
    });
    match sent.await {
        Ok(answer) => Ok(answer.rules().iter().filter_map(rule).collect()),
        Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
        Err(error) => {
            unless_unknown(Failure { connection, watch: &watch, action: Action::Lifecycle, uri: root }.of(error))
        }
    }
}

/// A store that does not know such settings has none.
fn unless_unknown<T: Default>(error: crate::error::Error) -> Result<T> {
    if error.kind() == ErrorKind::Unsupported { Ok(T::default()) } else { Err(error) }
}

/// A rule that is switched on.
fn rule(rule: &types::LifecycleRule) -> Option<LifecycleRule> {
    if *rule.status() != ExpirationStatus::Enabled {
        return None;
    }
    let filter = rule.filter();
    let and = filter.and_then(|filter| filter.and());
    #[expect(deprecated, reason = "older configurations say their prefix there")]
    let prefix = and.and_then(|and| and.prefix()).or(filter.and_then(|filter| filter.prefix())).or(rule.prefix());
    let sizes = [
        filter.and_then(|filter| filter.object_size_greater_than()),
        filter.and_then(|filter| filter.object_size_less_than()),
        and.and_then(|and| and.object_size_greater_than()),
        and.and_then(|and| and.object_size_less_than()),
    ];
    let deleted = rule.expiration().and_then(|it| end(it.days(), it.date(), None));
    let archived = rule.transitions().iter().filter_map(|it| {
        let class = it.storage_class()?.as_str();
        ARCHIVES.contains(&class).then(|| end(it.days(), it.date(), Some(class)))?
    });
    Some(LifecycleRule {
        id: rule.id().unwrap_or_default().to_owned(),
        prefix: prefix.unwrap_or_default().to_owned(),
        is_for_tags: filter.is_some_and(|it| it.tag().is_some()) || and.is_some_and(|it| !it.tags().is_empty()),
        is_for_sizes: sizes.iter().any(Option::is_some),
        ends: deleted.into_iter().chain(archived).collect(),
        deletes_versions: rule.noncurrent_version_expiration().is_some(),
    })
}

fn end(days: Option<i32>, date: Option<&aws_smithy_types::DateTime>, archive: Option<&str>) -> Option<End> {
    let days = days.and_then(|days| u32::try_from(days).ok()).map(When::Days);
    let when = days.or(date.map(|date| When::On(date.secs())))?;
    Some(End { when, archive: archive.map(str::to_owned) })
}
