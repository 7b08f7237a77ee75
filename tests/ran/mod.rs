//! The binary run as a user runs it, with nothing of this process's environment, and what came of it.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

use std::path::Path;
use std::process::Command;

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    /// All that it printed.
    pub text: String,
}

impl Ran {
    /// Runs it in `folder`; `args` are split at spaces. Whatever it prints is searched for `secrets`.
    #[track_caller]
    pub fn of(
        args: &str,
        folder: &Path,
        environment: impl IntoIterator<Item = (&'static str, String)>,
        secrets: &[&str],
    ) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        command.args(args.split_whitespace()).current_dir(folder).env_clear();
        let output = command.envs(environment).env("NO_PROXY", "127.0.0.1").output().unwrap();
        let text = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "the secret is printed:\n{text}");
        }
        Ran { code: output.status.code(), stdout: String::from_utf8(output.stdout).unwrap(), text }
    }

    /// Ends so, and says all of this in this order.
    #[track_caller]
    pub fn says(self, code: i32, pieces: &[&str]) -> Ran {
        assert_eq!(self.code, Some(code), "{}", self.text);
        let mut rest = self.text.as_str();
        for piece in pieces {
            let at = rest.find(piece).unwrap_or_else(|| panic!("no {piece:?} in order in\n{}", self.text));
            rest = &rest[at + piece.len()..];
        }
        self
    }

    #[track_caller]
    pub fn without(self, piece: &str) -> Ran {
        assert!(!self.text.contains(piece), "{piece:?} in\n{}", self.text);
        self
    }
}
