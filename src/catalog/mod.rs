//! Where tables live. For now only nowhere: the DDL is run by hand.
