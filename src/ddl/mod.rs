//! A plan or what is published, as SQL text that Athena and Spark take.
