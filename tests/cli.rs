//! The binary as a user meets it: `tests/cli/*.trycmd` hold commands and all that they print. `TRYCMD=overwrite cargo test
//! --test cli` writes down what they print now.
#![cfg(feature = "cli")]

#[test]
fn commands_print_what_is_written_down() {
    trycmd::TestCases::new().env("COLUMNS", "100").case("tests/cli/*.trycmd");
}
