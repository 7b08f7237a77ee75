//! How the benchmarks of listings reach a server of their own.

use std::net::SocketAddr;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// With a key that nobody checks.
pub fn settings(address: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("AKIAEXAMPLE", "of no use", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
