//! The program `roost` as a shell sees it, as far as that goes without a backend: exit
//! codes, what goes to which stream, and what is said.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// An empty folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("plugins")).unwrap();
    folder
}

/// Run `roost` in a folder, without this process' environment.
fn roost(folder: &PathBuf, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roost"))
        .args(line.split(' '))
        .current_dir(folder)
        .env_clear()
        .env("XDG_CACHE_HOME", folder)
        .output()
        .expect("roost runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn problems_of_the_configuration_are_each_on_a_line_with_their_place() {
    let folder = folder("cli-problems");
    let text = "[limits]\nmax_instances = 0\ncall_timeout_millis = 0\n";
    std::fs::write(folder.join("bad.toml"), text).unwrap();
    let output = roost(&folder, "spans --config bad.toml");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    let [first, instances, timeout] = lines.as_slice() else {
        unreachable!("three lines: {said}");
    };
    assert_eq!(*first, "error: the configuration cannot be used");
    assert!(instances.starts_with("bad.toml:2:17: limits.max_instances"));
    assert!(timeout.starts_with("bad.toml:3:23: limits.call_timeout_millis"));
}

#[test]
fn a_refused_file_is_listed_once_with_its_advice() {
    let folder = folder("cli-refused");
    std::fs::write(folder.join("plugins/script.wasm"), "#!/bin/sh\n").unwrap();

    let output = roost(&folder, "providers list");
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\nscript.wasm: this is no WebAssembly"));
    assert_eq!(stderr(&output), "");

    let output = roost(&folder, "providers inspect script");
    assert_eq!(output.status.code(), Some(1));

    let output = roost(&folder, "providers list --json");
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line.get("state").unwrap(), "refused");
}

#[test]
fn the_exit_code_tells_what_kind_of_end_it_was() {
    let folder = folder("cli-exit-codes");
    for (line, code) in [
        ("completions fish", 0),
        ("providers list", 0),
        // The default connection has no provider.
        ("health", 1),
        ("spans", 2),
        ("spans --since yesterday", 2),
        ("spans --since 1h --until 2h", 2),
        ("projects --tenant a/b", 2),
        ("providers list --plugins nowhere", 2),
        ("providers list --config nowhere.toml", 2),
        ("providers inspect phoenix", 3),
    ] {
        let output = roost(&folder, line);
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        // What fails says so on standard error, once; a table of health is an answer.
        let answers = stderr(&output).matches("error:").count();
        assert_eq!(answers, usize::from(code > 1), "{line}: {output:?}");
    }
}

#[test]
fn spans_are_not_exported_as_a_table() {
    let folder = folder("cli-export-table");
    for line in ["export --format table", "export -o spans.txt"] {
        let output = roost(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains("say --format jsonl"), "{output:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let folder = folder("cli-pipe");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_roost"))
        .args(["completions", "bash"])
        .current_dir(&folder)
        .stdout(writer)
        .output()
        .expect("roost runs");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let folder = folder("cli-colours");
    std::fs::write(folder.join("plugins/script.wasm"), "#!/bin/sh\n").unwrap();
    let has_colour = |line| roost(&folder, line).stdout.contains(&b'\x1b');
    assert!(!has_colour("providers list"));
    assert!(has_colour("providers list --color always"));
}
