//! One file a command, and how things are shown.
