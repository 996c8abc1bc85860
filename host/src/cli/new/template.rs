//! The files of the templates, from `templates/`, and the contract, from `wit/`.

use super::Language;

/// A file's path in the new folder, and its text.
type File = (&'static str, &'static str);

/// Files of a folder of the repository under their paths in the new one.
macro_rules! files {
    ($folder:literal: $($path:literal => $to:literal,)*) => {
        &[$((
            $to,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $folder, "/", $path)),
        )),*]
    };
}

const CONTRACT: &[File] = files! { "wit":
    "analytics-store.wit" => "wit/deps/roost-telemetry/analytics-store.wit",
    "annotation-store.wit" => "wit/deps/roost-telemetry/annotation-store.wit",
    "database.wit" => "wit/deps/roost-telemetry/database.wit",
    "dataset-store.wit" => "wit/deps/roost-telemetry/dataset-store.wit",
    "experiment-store.wit" => "wit/deps/roost-telemetry/experiment-store.wit",
    "project-store.wit" => "wit/deps/roost-telemetry/project-store.wit",
    "session-store.wit" => "wit/deps/roost-telemetry/session-store.wit",
    "span-sink.wit" => "wit/deps/roost-telemetry/span-sink.wit",
    "telemetry-provider.wit" => "wit/deps/roost-telemetry/telemetry-provider.wit",
    "trace-store.wit" => "wit/deps/roost-telemetry/trace-store.wit",
    "types.wit" => "wit/deps/roost-telemetry/types.wit",
    "world.wit" => "wit/deps/roost-telemetry/world.wit",
    "deps/cli.wit" => "wit/deps/cli.wit",
    "deps/clocks.wit" => "wit/deps/clocks.wit",
    "deps/filesystem.wit" => "wit/deps/filesystem.wit",
    "deps/http.wit" => "wit/deps/http.wit",
    "deps/io.wit" => "wit/deps/io.wit",
    "deps/random.wit" => "wit/deps/random.wit",
    "deps/sockets.wit" => "wit/deps/sockets.wit",
};

const EVERY_LANGUAGE: &[File] = files! { "templates/every-language":
    "world.wit" => "wit/world.wit",
    "DEBUGGING.md" => "DEBUGGING.md",
};

const RUST: &[File] = files! { "templates/rust":
    "Cargo.toml" => "Cargo.toml",
    "Makefile" => "Makefile",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "src/http.rs" => "src/http.rs",
    "src/lib.rs" => "src/lib.rs",
    "src/provider.rs" => "src/provider.rs",
    "src/service.rs" => "src/service.rs",
    "src/sink.rs" => "src/sink.rs",
    "src/span.rs" => "src/span.rs",
    "src/traces.rs" => "src/traces.rs",
};

const PYTHON: &[File] = files! { "templates/python":
    "Makefile" => "Makefile",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "requirements.txt" => "requirements.txt",
    "app.py" => "app.py",
    "http_client.py" => "http_client.py",
    "service.py" => "service.py",
    "spans.py" => "spans.py",
    "test_spans.py" => "test_spans.py",
};

const JAVASCRIPT: &[File] = files! { "templates/javascript":
    "Makefile" => "Makefile",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "package.json" => "package.json",
    "build.mjs" => "build.mjs",
    "src/errors.js" => "src/errors.js",
    "src/http.js" => "src/http.js",
    "src/provider.js" => "src/provider.js",
    "src/spans.js" => "src/spans.js",
    "src/service.js" => "src/service.js",
    "test/spans.test.js" => "test/spans.test.js",
};

const C: &[File] = files! { "templates/c":
    "Makefile" => "Makefile",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "tools.mk" => "tools.mk",
    "src/http.c" => "src/http.c",
    "src/http.h" => "src/http.h",
    "src/json.c" => "src/json.c",
    "src/json.h" => "src/json.h",
    "src/service.c" => "src/service.c",
    "src/service.h" => "src/service.h",
    "src/span.c" => "src/span.c",
    "src/span.h" => "src/span.h",
    "src/span_sink.c" => "src/span_sink.c",
    "src/telemetry_provider.c" => "src/telemetry_provider.c",
    "src/text.c" => "src/text.c",
    "src/text.h" => "src/text.h",
    "src/trace_store.c" => "src/trace_store.c",
    "test/tests.c" => "test/tests.c",
};

/// All files of a language's template.
pub(super) fn files(language: Language) -> impl Iterator<Item = File> {
    let own = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Javascript => JAVASCRIPT,
        Language::C => C,
    };
    [CONTRACT, EVERY_LANGUAGE, own]
        .into_iter()
        .flatten()
        .copied()
}
