//! A plan carried out: the lease, the writes in their order, and what is cleaned up later.
