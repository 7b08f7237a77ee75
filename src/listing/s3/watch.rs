//! What is seen of requests on their way: counts, throttling, the store's clock, whether an endpoint answers at all.
//! Keeps numbers and the endpoint's name; never a header of a request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::listing::Requests;
use crate::listing::said::without_path;

/// Failures to reach an endpoint that has never answered, after which it is given up.
const FIRST_TRIES: u64 = 3;

/// Requests of one listing or store.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    lists: AtomicU64,
    gets: AtomicU64,
    others: AtomicU64,
    throttled: AtomicU64,
}

impl Counts {
    /// All of them, those tried again among them.
    #[cfg(feature = "glue")]
    pub fn all(&self) -> u64 {
        [&self.lists, &self.gets, &self.others].into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub fn so_far(&self) -> Requests {
        Requests {
            lists: self.lists.load(Ordering::Relaxed),
            gets: self.gets.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
        }
    }
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    List,
    Get,
    Other,
}

/// Watches one request and its retries. Clones watch the same.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    kind: Kind,
    counts: Arc<Counts>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    endpoint: Option<String>,
    now: Option<i64>,
}

impl Watch {
    pub fn new(kind: Kind, counts: &Arc<Counts>) -> Watch {
        Watch { kind, counts: counts.clone(), seen: Arc::default() }
    }

    /// Scheme, host and port that were asked last; `None` if it did not come to that.
    pub fn endpoint(&self) -> Option<String> {
        self.seen().endpoint.clone()
    }

    /// The store's clock when it answered last, in seconds since 1970; `None` if it does not say.
    pub fn now(&self) -> Option<i64> {
        self.seen().now
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.seen().endpoint = Some(without_path(context.request().uri()));
        match self.kind {
            Kind::List => self.counts.lists.fetch_add(1, Ordering::Relaxed),
            Kind::Get => self.counts.gets.fetch_add(1, Ordering::Relaxed),
            Kind::Other => self.counts.others.fetch_add(1, Ordering::Relaxed),
        };
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if matches!(response.status().as_u16(), 429 | 503) {
            self.counts.throttled.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("the store asks to slow down");
        }
        let date = response.headers().get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(date) = date {
            self.seen().now = Some(date.secs());
        }
        Ok(())
    }
}

/// Whether anybody answers. Requests are retried for minutes while a store has trouble; one that has never answered is
/// given up after a few tries, for then its name or port is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach(Arc<Reached>);

#[derive(Debug, Default)]
struct Reached {
    answered: AtomicBool,
    failures: AtomicU64,
}

#[dyn_dispatch_hint]
impl Intercept for Reach {
    fn name(&self) -> &'static str {
        "Reach"
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.answered.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl ClassifyRetry for Reach {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = matches!(context.output_or_error(), Some(Err(_))) && context.response().is_none();
        if !failed || self.0.answered.load(Ordering::Relaxed) {
            return RetryAction::NoActionIndicated;
        }
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures < FIRST_TRIES { RetryAction::NoActionIndicated } else { RetryAction::RetryForbidden }
    }

    fn name(&self) -> &'static str {
        "Reach"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
