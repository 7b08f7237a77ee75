//! Desired against current: what is published, what should be, and the changes between, as data.
