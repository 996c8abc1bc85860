//! The command line: commands, and the options that all of them have.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand};

use super::logs::Logs;
use super::{
    annotate, annotations, check, completions, copy, datasets, demo, dev, evaluations, experiments,
    export, health, inspect, new, projects, providers, serve, spans, sql, stats, trace,
};

const AFTER_HELP: &str = "\
Exit codes:
  0    it went well
  1    it failed: the backend, a provider, a part of what was to be written, or what health,
       check, providers inspect or serve found wrong
  2    the command line or the configuration is wrong
  3    what was asked for does not exist
  4    the backend does not accept the credential, or does not allow this
  130  Ctrl-C ended it

Examples:
  roost providers list
  roost health
  roost spans --tenant acme --since 1h --filter \"latency_ms > 1000\"
  roost sql \"SELECT name, count(*) FROM spans GROUP BY name\" --tenant acme
  roost export --tenant acme --output spans.parquet
  roost trace 0af7651916cd43dd8448eb211c80319c --tenant acme
  roost check my.wasm --set http_endpoint=http://localhost:8080
  roost serve --config roost.toml";

/// Ask the observability backends of LLM applications, through WebAssembly providers
#[derive(Debug, Parser)]
#[command(name = "roost", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The configuration; else ROOST_CONFIG, else roost.toml in the working folder
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The plugins folder, instead of the configured one
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(super) plugins: Option<PathBuf>,
    /// When to use colours; auto follows the terminal and NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(super) color: ColorChoice,
    /// Log to standard error what happens inside; twice for more, three times for all
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is in the plugins folder
    Providers {
        #[command(subcommand)]
        command: ProvidersCommand,
    },
    /// List the projects of a tenant, or all that the credential sees
    Projects(projects::ProjectsArgs),
    /// List spans, newest first
    Spans(spans::SpansArgs),
    /// Write spans to a file, as Parquet, CSV or JSON Lines
    Export(export::ExportArgs),
    /// Count spans, and say how long they took and how often they failed
    Stats(stats::StatsArgs),
    /// Ask in SQL
    Sql(sql::SqlArgs),
    /// Show a trace as a tree, with when each span ran
    Trace(trace::TraceArgs),
    /// Say something about a span, a trace or a session
    Annotate(annotate::AnnotateArgs),
    /// List what was said of spans, a trace or a session; and delete it
    Annotations(annotations::AnnotationsArgs),
    /// Judgements of spans, from files
    #[command(subcommand)]
    Evaluations(evaluations::EvaluationsCommand),
    /// Lists of records to run experiments over
    #[command(subcommand)]
    Datasets(datasets::DatasetsCommand),
    /// Runs of a task, measured and compared
    #[command(subcommand)]
    Experiments(experiments::ExperimentsCommand),
    /// Copy what one backend holds into another
    Copy(copy::CopyArgs),
    /// Ask the backend of every connection how it is
    Health(health::HealthArgs),
    /// Write a provider to begin with, in a folder of its own
    New(new::NewArgs),
    /// Build and check a provider whenever a file of its folder changes
    Dev(dev::DevArgs),
    /// Try a provider on what the contract asks of it
    Check(check::CheckArgs),
    /// Take OTLP from any OpenTelemetry SDK, and forward it, until it is told to stop
    Serve(serve::ServeArgs),
    /// Show Roost at work: three tenants, and a provider replaced while it reads
    Demo(demo::DemoArgs),
    /// Write completions for a shell
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// How it logs.
    pub(super) fn logs(&self) -> Logs {
        match self {
            Self::Serve(args) => args.logs(),
            Self::Dev(_) => Logs::Developing,
            _ => Logs::Asking,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ProvidersCommand {
    /// List the providers, and why files are refused
    List(providers::ListArgs),
    /// Show what a provider says of itself, how it is configured, and where it came from
    #[command(visible_alias = "show")]
    Inspect(inspect::InspectArgs),
    /// Put a provider into the plugins folder: from a registry, an address or a path
    Add(Box<providers::AddArgs>),
    /// Fetch what the sources of providers have now
    Update(providers::UpdateArgs),
    /// Take providers out of the plugins folder
    Remove(providers::RemoveArgs),
    /// List the components of a registry
    Search(providers::SearchArgs),
    /// Publish a provider in a registry
    Push(Box<providers::PushArgs>),
    /// Accept the files that are there, and no others
    Lock(providers::LockArgs),
    /// Have a running gateway look at its plugins folder
    #[cfg(unix)]
    Reload(providers::ReloadArgs),
    /// Have a running gateway go back to what served before
    #[cfg(unix)]
    Rollback(providers::RollbackArgs),
    /// Have a running gateway call a provider again that failed too often
    #[cfg(unix)]
    Lift(providers::LiftArgs),
    /// Show what the providers of a running gateway do
    #[cfg(unix)]
    Top(providers::TopArgs),
}

/// How a command that shows data shows it.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Print JSON: one object a line
    #[arg(long)]
    pub(super) json: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        const SPAN: &str = "b7ad6b7169203331";
        let table = [
            ("spans --tenant acme --project p", false),
            ("spans --tenant acme --service routing", true),
            ("spans --limit 0", false),
            ("spans --since yesterday", false),
            ("spans --kind llm --since 1h --until 10m", true),
            ("trace 0af7", false),
            ("trace 0AF7651916CD43DD8448EB211C80319C", true),
            ("annotate SPAN --name good", false),
            ("annotate SPAN --name good --score 0.5", true),
            ("annotate SPAN --name good --score -1", true),
            ("annotate SPAN --name good --score nan", false),
            ("annotate SPAN --session s1 --name good --score 1", false),
            ("annotate --session s1 --name good --score 1", true),
            ("annotate --name good --score 1", false),
            ("annotate SPAN --label ok", false),
            ("annotate SPAN --name n --label ok --metadata [1]", false),
            ("annotate SPAN --name n --label ok --metadata {}", true),
            ("export --output a.csv --columns name,attributes.a", true),
            ("export --columns nmae", false),
            ("export --json --output a.csv", false),
            ("stats --by name,attribute:a --metrics cost", true),
            ("stats --bucket 1h", false),
            ("stats --by colour", false),
            ("sql", false),
            ("sql @q.sql --memory-limit 64MB --timeout 30s", true),
            ("annotations --span SPAN --name good", true),
            ("annotations delete", false),
            ("annotations --span SPAN delete a", false),
            ("evaluations import f.csv", false),
            ("evaluations import - --name good --dry-run", true),
            ("datasets create qa", false),
            ("datasets create qa f.csv --from-spans", false),
            ("datasets create qa --from-spans --since 1h --limit 5", true),
            ("datasets create qa f.csv --expected a", false),
            ("datasets create qa f.csv --input a,b --expected c", true),
            ("datasets get id:", false),
            ("experiments create e --repetitions 0", false),
            ("experiments create e --version v", false),
            ("experiments log e f.jsonl --metric a=1", false),
            ("experiments log e --metric a=1 --step 3", true),
            ("experiments log e --step 3", false),
            ("experiments log e --run r --record a", false),
            ("experiments compare e", false),
            ("experiments compare e f --json", true),
            ("experiments finish e --status running", false),
            (
                "copy --from a --to b --tenant acme --only spans,datasets",
                true,
            ),
            ("copy --from a --to b --only traces", false),
            ("copy --from a", false),
            ("copy --from a --to b --into p", false),
            ("demo --keep", true),
            ("demo --phoenix-grpc http://localhost:4317", false),
            ("new b --lang cobol", false),
            ("new b --lang python", true),
            ("check", false),
            ("check --list", true),
            ("check my.wasm --list", false),
            ("check my.wasm --set a=1 --set b=c=d --only traces", true),
            ("check my.wasm --set =1", false),
            ("serve --json", true),
            ("serve --tenant acme", false),
            ("providers lock phoenix --check", true),
            ("completions zsh", true),
            ("completions cmd.exe", false),
        ];
        for (line, taken) in table {
            let line = line.replace("SPAN", SPAN);
            let parsed = Cli::try_parse_from(["roost"].into_iter().chain(line.split(' ')));
            assert_eq!(parsed.is_ok(), taken, "{line}: {parsed:?}");
        }
    }

    #[test]
    fn global_options_stand_before_and_behind_the_command() {
        for line in ["roost --plugins p health", "roost health --plugins p"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.plugins.unwrap(), PathBuf::from("p"));
        }
    }
}
