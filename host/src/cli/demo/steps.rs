//! The demo from its first line to its last, a function a step.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use roost::contract::{
    Annotation, AnnotatorKind, AttributeValue, NewAnnotation, Order, OrderKey, Span, SpanRef,
    StatusCode, Target, TimeWindow,
};
use roost::provider::SpanQuery;
use tokio::time::sleep;

use super::agent::{SPANS_PER_QUESTION, TENANTS, Tenant, answer_all};
use super::screen::{Screen, WIDTH, duration, table};
use super::stage::{Backend, Stage};
use super::swaps;
use crate::cli::table::{Cell, Column};
use crate::cli::terminal::{BAD, DIM, GOOD, TITLE, paint};
use crate::cli::{text, waterfall};

/// How long another process may take for what usually takes a moment.
const SOON: Duration = Duration::from_secs(60);

/// The trace that is looked at closely.
struct Failed {
    tenant: &'static str,
    project: String,
    trace_id: String,
    spans: Vec<Span>,
}

/// How long to leave the other side alone between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Show everything, and hand back what it was shown on.
pub(super) async fn show(
    screen: &Screen<'_>,
    backend: Backend,
    component: &[u8],
    swaps: u8,
    keep: bool,
) -> anyhow::Result<Stage> {
    screen.title("Roost: one telemetry API for many tenants, a WebAssembly provider a backend")?;
    let stage = start(screen, backend).await?;
    drop_in(screen, &stage, component).await?;
    let traces = send(screen, &stage).await?;
    screen.step("Each tenant reads its own spans back")?;
    for tenant in &TENANTS {
        list(screen, &stage, tenant).await?;
    }
    let failed = look_closely(screen, &stage, traces).await?;
    annotate(screen, &stage, &failed).await?;
    swaps::show(screen, &stage, component, swaps).await?;
    fence(screen, &stage).await?;
    count(screen, &stage)?;
    say_where(screen, &stage, &failed, keep).await?;
    Ok(stage)
}

/// Take everything down.
pub(super) async fn end(screen: &Screen<'_>, stage: Stage) -> anyhow::Result<()> {
    screen.step("The end")?;
    let report = stage.telemetry.shutdown(SOON).await;
    ensure!(
        report.is_complete(),
        "spans were lost at the end: {report:?}"
    );
    let folder = stage.folder().to_owned();
    drop(stage);
    ensure!(!folder.exists(), "{} is still there", folder.display());
    screen.done(format!("{} is removed", folder.display()))
}

/// Look again and again until `probe` succeeds, at most for [`SOON`].
pub(super) async fn eventually<T>(
    what: &str,
    mut probe: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + SOON;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => {
                return Err(seen).with_context(|| format!("{what}: not within {SOON:?}"));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn start(screen: &Screen<'_>, backend: Backend) -> anyhow::Result<Stage> {
    screen.step(match backend.address() {
        Some(_) => "A Phoenix, and a service with an empty plugins folder",
        None => "A service with an empty plugins folder, and no server at all",
    })?;
    let stage = Stage::start(backend).await?;
    screen.done(format!(
        "the service runs and watches {}",
        stage.host()?.folder().display()
    ))?;
    // The service is up, and says what it lacks; unless providers lie beside this program.
    if stage.host()?.providers().is_empty() {
        match stage.provider("acme")?.check_health().await {
            Err(missing) => screen.refused(&missing.to_string())?,
            Ok(_) => bail!("a provider answered although there is none"),
        }
    }
    Ok(stage)
}

async fn drop_in(screen: &Screen<'_>, stage: &Stage, component: &[u8]) -> anyhow::Result<()> {
    let file = format!("{}.wasm", stage.backend.provider());
    screen.step(&format!("{file} is dropped into the folder"))?;
    let began = Instant::now();
    stage.install(component)?;
    let provider = {
        let _waiting = screen.wait("the service notices, compiles and checks it");
        eventually("the provider serves", async || stage.serving()).await?
    };
    screen.done(format!(
        "{} {} serves {} after its file was there",
        paint(TITLE, &provider.info.name),
        provider.info.version,
        duration(began.elapsed())
    ))?;
    let health = stage.provider("acme")?.check_health().await?;
    let can: Vec<_> = provider
        .capabilities
        .iter()
        .map(ToString::to_string)
        .collect();
    let digest: String = provider.digest.chars().take(16).collect();
    let facts = [
        (
            "file",
            format!("{} KiB, SHA-256 {digest}…", component.len() / 1024),
        ),
        ("can", can.join(", ")),
        (
            "backend",
            format!(
                "{} ({}), reached in {}",
                stage.backend.name(),
                health.backend_version,
                duration(Duration::from_micros(health.latency_us))
            ),
        ),
    ];
    for (what, fact) in facts {
        screen.say(format!("  {} {fact}", paint(DIM, &format!("{what:<8}"))))?;
    }
    Ok(())
}

async fn send(screen: &Screen<'_>, stage: &Stage) -> anyhow::Result<[Vec<String>; 3]> {
    screen.step("Three tenants ask an agent: it plans, retrieves and answers")?;
    let telemetry = &stage.telemetry;
    let [acme, globex, initech] = &TENANTS;
    let traces = {
        let _waiting = screen.wait("the agent works");
        tokio::join!(
            answer_all(telemetry, acme),
            answer_all(telemetry, globex),
            answer_all(telemetry, initech),
        )
    };
    let report = telemetry.force_flush(SOON).await;
    ensure!(
        report.is_complete(),
        "not every span was delivered: {report:?}"
    );
    screen.done(format!(
        "{} spans of {} requests reached {}, one pipeline for all tenants",
        telemetry.get_stats().spans.delivered,
        TENANTS
            .iter()
            .map(|tenant| tenant.questions.len())
            .sum::<usize>(),
        stage.backend.name(),
    ))?;
    Ok(traces.into())
}

async fn list(screen: &Screen<'_>, stage: &Stage, tenant: &Tenant) -> anyhow::Result<()> {
    let provider = stage.provider(tenant.id)?;
    let project = stage.project(tenant.id)?;
    let query = SpanQuery::new(project.as_str(), TimeWindow::all()).order_by(Order {
        key: OrderKey::StartTime,
        descending: false,
    });
    let expected = tenant.questions.len() * SPANS_PER_QUESTION;
    let spans = eventually("the spans are stored", async || {
        let spans = provider.traces().get_spans(&query).await?;
        ensure!(spans.len() == expected, "{} of {expected}", spans.len());
        Ok(spans)
    })
    .await?;
    let project = paint(DIM, &format!("project {project}"));
    screen.say(format!("\n{}  {project}", paint(TITLE, tenant.id)))?;
    let columns = [
        Column::whole("SPAN"),
        Column::whole("KIND"),
        Column::whole("SESSION"),
        Column::whole("TOOK").right(),
        Column::whole("TOKENS").right(),
        Column::whole("INPUT"),
    ];
    screen.say(table(columns, spans.iter().map(row).collect()))
}

fn row(span: &Span) -> [Cell; 6] {
    let (mark, style) = match span.status {
        StatusCode::Error => ("✗", BAD),
        _ => ("✓", GOOD),
    };
    let took = Duration::from_nanos(span.end_time.saturating_sub(span.start_time));
    [
        Cell::styled(&format!("{mark} {}", span.name), style),
        span.kind.clone().into(),
        said(span, "session.id").into(),
        duration(took).into(),
        said(span, "llm.token_count.total").into(),
        text::shorten(&said(span, "input.value"), 27)
            .into_owned()
            .into(),
    ]
}

fn said(span: &Span, key: &str) -> String {
    match span.attribute(key) {
        Some(AttributeValue::Text(text)) => text.clone(),
        Some(AttributeValue::Integer(number)) => number.to_string(),
        _ => String::new(),
    }
}

async fn look_closely(
    screen: &Screen<'_>,
    stage: &Stage,
    [_, _, initech]: [Vec<String>; 3],
) -> anyhow::Result<Failed> {
    screen.step("The request that failed, as a tree")?;
    let tenant = "initech";
    let project = stage.project(tenant)?;
    let trace_id = initech.into_iter().next().context("initech has no trace")?;
    let provider = stage.provider(tenant)?;
    let spans = provider.traces().get_trace(&project, &trace_id).await?;
    screen.say(waterfall::render(&spans, Some(WIDTH)))?;
    Ok(Failed {
        tenant,
        project,
        trace_id,
        spans,
    })
}

async fn annotate(screen: &Screen<'_>, stage: &Stage, failed: &Failed) -> anyhow::Result<()> {
    screen.step("A person and a program say what they think of it")?;
    let provider = stage.provider(failed.tenant)?;
    let store = provider.annotations();
    let target = |name: &str| -> anyhow::Result<Target> {
        let mut spans = failed.spans.iter();
        let span = spans.find(|span| span.name == name);
        let span = span.with_context(|| format!("there is no span {name}"))?;
        let (trace_id, span_id) = (span.trace_id.as_str(), span.span_id.as_str());
        Ok(Target::Span(SpanRef::new(trace_id, span_id)))
    };
    let targets = [target("ask")?, target("retrieve")?];
    let [ask, retrieve] = targets.clone();
    let written = [
        NewAnnotation::new(ask, "triage")
            .label("retry")
            .score(0.0)
            .explanation("the model was busy; ask again"),
        NewAnnotation::new(retrieve, "relevance")
            .by(AnnotatorKind::Code)
            .label("poor")
            .score(0.52),
    ];
    store
        .add_annotations_batch(&failed.project, &written)
        .await?;
    let read = store
        .get_annotations(&failed.project, &targets, None)
        .await?;
    ensure!(
        read.len() == written.len(),
        "{} of 2 annotations came back",
        read.len()
    );
    screen.done(format!(
        "{} annotations written, and read back:",
        read.len()
    ))?;
    let columns = ["ANNOTATION", "BY", "LABEL", "SCORE", "WHY"].map(Column::whole);
    screen.say(table(columns, read.iter().map(judgement).collect()))
}

fn judgement(annotation: &Annotation) -> [String; 5] {
    let by = match annotation.annotator {
        AnnotatorKind::Human => "a person",
        AnnotatorKind::Llm => "a model",
        AnnotatorKind::Code => "a program",
    };
    let score = annotation.score.map(|score| format!("{score:.2}"));
    [
        annotation.name.clone(),
        by.to_owned(),
        annotation.label.clone().unwrap_or_default(),
        score.unwrap_or_default(),
        annotation.explanation.clone().unwrap_or_default(),
    ]
}

async fn fence(screen: &Screen<'_>, stage: &Stage) -> anyhow::Result<()> {
    screen.step("globex asks for acme's spans")?;
    let query = SpanQuery::new(stage.project("acme")?, TimeWindow::all());
    match stage.provider("globex")?.traces().get_spans(&query).await {
        Err(refusal) => screen.refused(&refusal.to_string())?,
        Ok(spans) => bail!("globex read {} spans of acme", spans.len()),
    }
    Ok(())
}

fn count(screen: &Screen<'_>, stage: &Stage) -> anyhow::Result<()> {
    screen.step("Every span is accounted for")?;
    let spans = stage.telemetry.get_stats().spans;
    let (delivered, queued, dropped) = (spans.delivered, spans.queued, spans.dropped.total());
    let sum = delivered + queued + dropped;
    ensure!(spans.created == sum, "the books do not balance: {spans:?}");
    screen.done(format!(
        "{} created = {delivered} delivered + {queued} queued + {dropped} dropped",
        spans.created
    ))?;
    Ok(())
}

async fn say_where(
    screen: &Screen<'_>,
    stage: &Stage,
    failed: &Failed,
    keep: bool,
) -> anyhow::Result<()> {
    screen.step("Where a person looks at that trace")?;
    let provider = stage.provider(failed.tenant)?;
    let address = provider
        .trace_url(&failed.project, &failed.trace_id)
        .await?;
    match address.as_deref().or(stage.backend.address()) {
        Some(address) => screen.say(address)?,
        None => screen.say(format!(
            "roost trace {} --tenant {}",
            failed.trace_id, failed.tenant
        ))?,
    }
    if keep {
        screen.say(paint(DIM, "All stays until Ctrl-C. From another shell:"))?;
        screen.say(format!(
            "roost --config {} trace {} --tenant {}",
            stage.config_file().display(),
            failed.trace_id,
            failed.tenant,
        ))
    } else {
        let gone = "gone in a moment; with --keep it stays, so that you can look";
        screen.say(paint(DIM, gone))
    }
}
