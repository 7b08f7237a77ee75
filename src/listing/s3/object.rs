//! One object, read as it comes: asked for again from where it broke off, for the same version of it.

use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Buf, Bytes};

use super::S3;
use super::connection::Connection;
use super::failure::{Action, Failure, is_missing_key};
use super::watch::{Counts, Kind, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::Uri;

/// Times that a body may break off; each piece that comes gives one back.
const TRIES: u32 = 5;

/// An object's bytes.
#[derive(Debug)]
pub(crate) struct Object {
    connection: Arc<Connection>,
    counts: Arc<Counts>,
    uri: Uri,
    etag: Option<String>,
    /// Bytes that have come.
    read: u64,
    /// Bytes that come again: of a store that does not begin in the middle.
    again: u64,
    body: ByteStream,
    tries: u32,
}

impl S3 {
    /// Begins to read an object; `None` where there is none.
    ///
    /// # Errors
    /// `Denied`, `NotFound` (the bucket), `Credentials`, `Unreachable`, `Throttled`.
    pub(crate) async fn read(&self, uri: &Uri) -> Result<Option<Object>> {
        let (connection, counts) = (self.connection.clone(), self.counts.clone());
        let Some(output) = ask(&connection, &counts, uri, 0, None).await? else { return Ok(None) };
        let etag = output.e_tag;
        Ok(Some(Object {
            connection,
            counts,
            uri: uri.clone(),
            etag,
            read: 0,
            again: 0,
            body: output.body,
            tries: TRIES,
        }))
    }
}

impl Object {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// As [`S3::read`]; `Corrupt` where the object was replaced meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.body.try_next().await {
                Ok(Some(mut bytes)) => {
                    let again = self.again.min(bytes.len() as u64);
                    self.again -= again;
                    bytes.advance(usize::try_from(again).expect("at most what came"));
                    if bytes.is_empty() {
                        continue;
                    }
                    self.read += bytes.len() as u64;
                    self.tries = TRIES.min(self.tries + 1);
                    return Ok(Some(bytes));
                }
                Ok(None) => return Ok(None),
                Err(error) if self.tries == 0 => {
                    let message = format!("reading {} broke off, again and again", self.uri.shown());
                    return Err(Error::new(ErrorKind::Unreachable, message).source(error));
                }
                Err(error) => {
                    tracing::info!("reading {} broke off at byte {}: {error}", self.uri.shown(), self.read);
                    self.tries -= 1;
                    self.resume().await?;
                }
            }
        }
    }

    async fn resume(&mut self) -> Result<()> {
        let asked = ask(&self.connection, &self.counts, &self.uri, self.read, self.etag.as_deref()).await?;
        match asked {
            Some(output) => {
                self.again = if output.content_range.is_some() { 0 } else { self.read };
                self.body = output.body;
            }
            None => {
                let message = format!("{} was replaced or deleted while it was read", self.uri.shown());
                return Err(Error::new(ErrorKind::Corrupt, message).help("run again"));
            }
        }
        Ok(())
    }
}

/// The object from byte `from` on, if it is still the one of `etag`.
async fn ask(
    connection: &Connection,
    counts: &Arc<Counts>,
    uri: &Uri,
    from: u64,
    etag: Option<&str>,
) -> Result<Option<GetObjectOutput>> {
    let watch = Watch::new(Kind::Get, counts);
    let sent = connection.send(&uri.bucket.name, |client| {
        client
            .get_object()
            .bucket(&uri.bucket.name)
            .key(&uri.key)
            .set_range((from > 0).then(|| format!("bytes={from}-")))
            .set_if_match(etag.map(str::to_owned))
            .set_request_payer(connection.payer())
            .customize()
            .interceptor(watch.clone())
            .send()
    });
    match sent.await {
        Ok(output) => Ok(Some(output)),
        Err(error) if is_missing_key(&error) || error.code() == Some("PreconditionFailed") => Ok(None),
        Err(error) => Err(Failure { connection, watch: &watch, action: Action::Read, uri }.of(error)),
    }
}
