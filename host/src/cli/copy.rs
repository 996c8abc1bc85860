//! `roost copy`.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use roost::TenantId;
use roost::copy::{Copier, CopyReport, Left, Part};

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::table::{Column, Table};
use super::values::NonEmpty;
use super::window::{INSTANTS, WindowArgs};
use super::{record, text};

const AFTER_HELP: &str = "\
Interrupted and run again, it goes on where it was; run twice, it writes nothing the second
time. Without --tenant and --project it copies every project that the credential sees.

Examples:
  roost copy --from phoenix --to default --tenant acme
  roost copy --from default --to phoenix --project cogniverse-acme-search --since 1w
  roost copy --from phoenix --to default --tenant acme --only datasets,experiments";

#[derive(Debug, Args)]
#[command(after_help = format!("{INSTANTS}\n\n{AFTER_HELP}"))]
pub(super) struct CopyArgs {
    /// The connection to copy from, as roost.toml names it
    #[arg(long, value_name = "CONNECTION", value_parser = NonEmpty::new())]
    from: String,
    /// The connection to copy to
    #[arg(long, value_name = "CONNECTION", value_parser = NonEmpty::new())]
    to: String,
    /// Only the projects of this tenant
    #[arg(long, short, value_name = "ID")]
    tenant: Option<TenantId>,
    /// Only this project, as the backend calls it
    #[arg(long, short, value_name = "NAME", value_parser = NonEmpty::new())]
    project: Option<String>,
    /// What the project is called in the target, if not the same
    #[arg(long, value_name = "NAME", requires = "project", value_parser = NonEmpty::new())]
    into: Option<String>,
    /// Only these, separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    only: Vec<What>,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is copied.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Spans,
    Annotations,
    Datasets,
    Experiments,
}

impl From<What> for Part {
    fn from(what: What) -> Self {
        match what {
            What::Spans => Self::Spans,
            What::Annotations => Self::Annotations,
            What::Datasets => Self::Datasets,
            What::Experiments => Self::Experiments,
        }
    }
}

pub(super) async fn run(context: &Context, args: CopyArgs) -> anyhow::Result<Exit> {
    let window = args.window.window()?;
    let telemetry = context.telemetry().await?;
    let mut copier = Copier::between(&telemetry, &args.from, &args.to)?.window(window);
    if let Some(tenant) = args.tenant {
        copier = copier.tenant(tenant);
    }
    if let Some(project) = args.project {
        copier = copier.project(project);
    }
    if let Some(into) = args.into {
        copier = copier.into_project(into);
    }
    if !args.only.is_empty() {
        copier = copier.only(args.only.into_iter().map(Part::from));
    }
    let progress = copier.progress();
    let mut report = CopyReport::default();
    let copying = copier.run_into(&mut report);
    let state = || format!("copying {}", progress.tell());
    let ended = context.terminal.watching(state, copying).await;
    // What was copied before it failed is told as well.
    if args.output.json {
        context.terminal.print(&record::lines(&report.projects)?)?;
    } else if ended.is_ok() || !report.projects.is_empty() {
        let told = render(&report, context.terminal.width);
        context.terminal.print(&told)?;
    }
    if let Err(error) = ended {
        let again = "the copy did not come to its end; run again, it goes on from there";
        return Err(anyhow::Error::new(error).context(again));
    }
    if report.has_refusals() {
        let why = "the target refused some of it; run again, it is tried again".to_owned();
        return Err(CommandError::Failed(why).into());
    }
    Ok(Exit::Fine)
}

fn render(report: &CopyReport, width: Option<usize>) -> String {
    if report.projects.is_empty() {
        return "no projects\n".to_owned();
    }
    let mut table = Table::new([
        Column::cut("PROJECT"),
        Column::whole("WHAT"),
        Column::whole("COPIED").right(),
        Column::whole("THERE ALREADY").right(),
        Column::whole("LEFT").right(),
    ]);
    let mut said = String::new();
    for project in &report.projects {
        let tallies = project.tallies.all();
        let some = tallies
            .iter()
            .filter(|(_, tally)| *tally != Default::default());
        let mut is_empty = true;
        for (what, tally) in some {
            is_empty = false;
            table.push([
                project.project.as_str().into(),
                (*what).into(),
                text::thousands(tally.copied).into(),
                text::thousands(tally.present).into(),
                text::thousands(tally.left).into(),
            ]);
        }
        if is_empty {
            let nothing = ["-", "-", "-", "-"].map(Into::into);
            let name = [project.project.as_str().into()];
            table.push(name.into_iter().chain(nothing).collect::<Vec<_>>());
        }
        for left in &project.left {
            // Writing to a text cannot fail.
            let _ = writeln!(said, "{}", sentence(left));
        }
        for note in &project.notes {
            let _ = writeln!(said, "{}", text::one_line(note));
        }
    }
    let mut told = table.render(width);
    if !said.is_empty() {
        told.push('\n');
        told.push_str(&said);
    }
    told
}

/// What was left, in a line.
fn sentence(left: &Left) -> String {
    let kind = format!("{:?}", left.kind).to_lowercase();
    let count = usize::try_from(left.count).unwrap_or(usize::MAX);
    let what = match (count, left.first.as_str()) {
        (0, _) => format!("no {kind}s"),
        (_, "") => text::count(count, &kind),
        (1, first) => format!("{kind} {first}"),
        (_, first) => format!("{}, {first} first", text::count(count, &kind)),
    };
    text::one_line(&format!("left: {what}: {}", left.reason)).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use roost::copy::{Kind, ProjectReport, Tallies, Tally};

    use super::*;

    #[test]
    fn a_report_tells_what_was_copied_and_what_was_left() {
        let spans = Tally {
            copied: 1_200,
            present: 3,
            left: 0,
        };
        let annotations = Tally {
            left: 2,
            ..Tally::default()
        };
        let left = |kind, count, first: &str, reason: &str| Left {
            kind,
            count,
            first: first.to_owned(),
            reason: reason.to_owned(),
            declared: false,
        };
        let full = ProjectReport {
            project: "p".to_owned(),
            into: "p".to_owned(),
            tallies: Tallies {
                spans,
                annotations,
                ..Tallies::default()
            },
            left: vec![
                left(Kind::Annotation, 2, "session s", "it has no\nsessions"),
                left(Kind::Experiment, 0, "", "it has none"),
            ],
            notes: vec!["dataset `d` is cut".to_owned()],
        };
        let empty = ProjectReport {
            project: "q".to_owned(),
            tallies: Tallies::default(),
            left: Vec::new(),
            notes: Vec::new(),
            ..full.clone()
        };
        let projects = vec![full, empty];
        let told = render(&CopyReport { projects }, None);
        assert_eq!(
            anstream::adapter::strip_str(&told).to_string(),
            "\
PROJECT  WHAT         COPIED  THERE ALREADY  LEFT
p        spans         1,200              3     0
p        annotations       0              0     2
q        -                 -              -     -

left: 2 annotations, session s first: it has no sessions
left: no experiments: it has none
dataset `d` is cut
"
        );
    }
}
