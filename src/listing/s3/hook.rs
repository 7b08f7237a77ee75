//! Where our reading of a page takes the place of the SDK's: the one deserialiser of ListObjectsV2 here.
//!
//! The SDK lets a request's interceptor put something into its configuration; that is all this needs. The page passes
//! beside the SDK's own output, which stays empty; errors go the SDK's way, so that it retries what is worth it.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{ConfigBag, Intercept};
use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, Error as AnyError, Output,
};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};

use super::document::{self, Answer, Listed};
use crate::uri::Bucket;

/// Reads the answer to one ListObjectsV2, and keeps the page. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct PageHook {
    bucket: Bucket,
    read: Arc<Mutex<Option<Listed>>>,
}

impl PageHook {
    pub fn new(bucket: &Bucket) -> PageHook {
        PageHook { bucket: bucket.clone(), read: Arc::default() }
    }

    /// The page that was read last.
    pub fn take(&self) -> Option<Listed> {
        self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for PageHook {
    fn name(&self) -> &'static str {
        "PageHook"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for PageHook {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<AnyError>> {
        let body = response.body().bytes().unwrap_or_default();
        let refused = |metadata: ErrorMetadata| {
            OrchestratorError::operation(AnyError::erase(ListObjectsV2Error::generic(metadata)))
        };
        match document::read(&self.bucket, body) {
            Ok(Answer::Listed(listed)) if response.status().is_success() => {
                *self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(listed);
                Ok(Output::erase(ListObjectsV2Output::builder().build()))
            }
            // With 200 too: S3 may have begun to answer before it fails.
            Ok(Answer::Refused { code, message }) => {
                Err(refused(ErrorMetadata::builder().code(code).message(message).build()))
            }
            Err(unreadable) if response.status().is_success() => Err(OrchestratorError::response(unreadable.into())),
            Ok(Answer::Listed(_)) | Err(_) => Err(refused(ErrorMetadata::builder().build())),
        }
    }
}
