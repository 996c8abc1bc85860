//! What becomes of a provider that does what none should, and of the one beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig, Secret};
use roost::contract::{Error, ProviderError, Span};
use roost::plugin::{ConnectionSpec, Host};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Scripted, echo, eventually, misdeeds};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fixture::{SOON, one_span, query, spec, status};
use crate::misdeed::{Config, Misdeed};

/// How many spans are asked for.
const LIMIT: usize = 10;

/// What is asked of a misdeed's test.
struct Case {
    /// The limits that make it bite soon.
    limits: ConnectionLimits,
    /// Where the guest sends its requests.
    url: String,
    /// What it was granted.
    allow_hosts: Vec<String>,
    /// What a call ends in.
    expect: fn(Result<Vec<Span>, ProviderError>) -> Result<()>,
    /// The servers behind the addresses.
    _servers: Vec<Scripted>,
    _drip: Option<Drip>,
}

impl Case {
    /// One that takes until its deadline.
    fn slow(expect: fn(Result<Vec<Span>, ProviderError>) -> Result<()>) -> Self {
        let case = Self::new(expect);
        Self {
            limits: ConnectionLimits {
                call_timeout_millis: Some(300),
                ..case.limits
            },
            ..case
        }
    }

    fn new(expect: fn(Result<Vec<Span>, ProviderError>) -> Result<()>) -> Self {
        Self {
            limits: ConnectionLimits {
                call_timeout_millis: Some(10_000),
                memory_bytes: Some(32 << 20),
                ..ConnectionLimits::default()
            },
            url: String::new(),
            allow_hosts: Vec::new(),
            expect,
            _servers: Vec::new(),
            _drip: None,
        }
    }
}

/// The fence of each misdeed. One that is added to the list has to be added here.
async fn case(misdeed: Misdeed) -> Result<Case> {
    Ok(match misdeed {
        Misdeed::Loop | Misdeed::BusyHostCalls => Case::slow(|spans| {
            let error = failed(spans)?;
            ensure!(matches!(error.kind(), Error::Timeout(_)), "{error}");
            says(
                &error,
                "raise call_timeout_millis under [connections.bad.limits]",
            )
        }),
        Misdeed::Memory => Case::new(|spans| {
            let error = failed(spans)?;
            says(&error, "raise memory_bytes under")?;
            // Where it happened, by name.
            says(&error, "roost_misdeeds::deeds::take_memory")
        }),
        Misdeed::Growth => Case {
            limits: ConnectionLimits {
                growth_bytes: Some(4 << 20),
                ..Case::new(fine).limits
            },
            ..Case::new(|spans| {
                let spans = spans?;
                ensure!(spans.first().context("no span")?.name == "1", "{spans:?}");
                Ok(())
            })
        },
        Misdeed::Table => {
            let case = Case::new(|spans| says(&failed(spans)?, "raise table_elements under"));
            Case {
                limits: ConnectionLimits {
                    table_elements: Some(1_000),
                    ..case.limits
                },
                ..case
            }
        }
        Misdeed::Recursion => Case::new(|spans| {
            let error = failed(spans)?;
            says(&error, "raise stack_bytes under [plugins]")?;
            says(&error, "roost_misdeeds::deeds::dive")
        }),
        Misdeed::Hoard => Case::new(|spans| {
            let error = failed(spans)?;
            ensure!(matches!(error.kind(), Error::Internal(_)), "{error}");
            says(&error, "roost_misdeeds::deeds::hoard")
        }),
        Misdeed::GiantResult => {
            let case = Case::new(|spans| says(&failed(spans)?, "raise result_bytes under"));
            Case {
                limits: ConnectionLimits {
                    result_bytes: Some(1 << 20),
                    ..case.limits
                },
                ..case
            }
        }
        Misdeed::GiantRequest => {
            let server = Scripted::start(&[]).await?;
            let case = Case::new(|spans| says(&failed(spans)?, "raise request_bytes under"));
            Case {
                limits: ConnectionLimits {
                    request_bytes: Some(1 << 20),
                    ..case.limits
                },
                url: server.address().to_owned(),
                allow_hosts: vec![server.address().to_owned()],
                _servers: vec![server],
                ..case
            }
        }
        Misdeed::SlowDrip => {
            let drip = Drip::start(1, Duration::from_millis(20)).await?;
            Case {
                url: drip.address.clone(),
                allow_hosts: vec![drip.address.clone()],
                _drip: Some(drip),
                ..Case::slow(|spans| {
                    let error = failed(spans)?;
                    ensure!(matches!(error.kind(), Error::Timeout(_)), "{error}");
                    Ok(())
                })
            }
        }
        Misdeed::GiantResponse => {
            let drip = Drip::start(64 << 10, Duration::ZERO).await?;
            let case = Case::new(|spans| match spans {
                // A guest may take what it got for the whole.
                Ok(spans) => {
                    let read: usize = spans.first().context("no span")?.name.parse()?;
                    ensure!(read <= 1 << 20, "it read {read} bytes");
                    Ok(())
                }
                Err(error) => says(&error, "raise response_bytes under"),
            });
            Case {
                limits: ConnectionLimits {
                    response_bytes: Some(1 << 20),
                    ..case.limits
                },
                url: drip.address.clone(),
                allow_hosts: vec![drip.address.clone()],
                _drip: Some(drip),
                ..case
            }
        }
        Misdeed::ForbiddenHost => Case {
            url: "http://169.254.169.254/latest/meta-data".to_owned(),
            ..Case::new(refused)
        },
        Misdeed::ForbiddenRedirect => {
            // As often as it is asked.
            const REDIRECTS: &[&str] = &["302 Found\r\nlocation: http://169.254.169.254/"; 10_000];
            let server = Scripted::start(REDIRECTS).await?;
            Case {
                url: server.address().to_owned(),
                allow_hosts: vec![server.address().to_owned()],
                _servers: vec![server],
                ..Case::new(refused)
            }
        }
        Misdeed::Snoop => Case::new(|spans| {
            let spans = spans?;
            ensure!(spans.is_empty(), "it saw {spans:?}");
            Ok(())
        }),
        Misdeed::LogFlood => Case::new(fine),
        Misdeed::TrapEveryThird => Case::new(|spans| match spans {
            Ok(_) => Ok(()),
            Err(error) => says(&error, "get-spans trapped"),
        }),
        Misdeed::InitializeHangs => {
            Case::slow(|spans| says(&failed(spans)?, "initialize was ended at its deadline"))
        }
        Misdeed::InitializeTraps => Case::new(|spans| says(&failed(spans)?, "initialize trapped")),
        Misdeed::DescribeLies => Case::new(|spans| {
            let spans = spans?.len();
            ensure!(spans == LIMIT, "{spans} spans");
            Ok(())
        }),
    })
}

fn fine(spans: Result<Vec<Span>, ProviderError>) -> Result<()> {
    spans?;
    Ok(())
}

fn refused(spans: Result<Vec<Span>, ProviderError>) -> Result<()> {
    let error = failed(spans)?;
    ensure!(
        matches!(error.kind(), Error::PermissionDenied(_)),
        "{error}"
    );
    Ok(())
}

fn failed(spans: Result<Vec<Span>, ProviderError>) -> Result<ProviderError> {
    spans.err().context("it went well")
}

fn says(error: &ProviderError, words: &str) -> Result<()> {
    ensure!(
        error.to_string().contains(words),
        "{words:?} is not in: {error}"
    );
    Ok(())
}

/// Whether a call was not made, since too many before it failed.
fn is_held_back(spans: &Result<Vec<Span>, ProviderError>) -> bool {
    spans.as_ref().is_err_and(|error| {
        let error = error.to_string();
        error.contains("started again only after a while") || error.contains("is quarantined in")
    })
}

/// Runs a misdeed at full speed, from four callers, beside a provider that behaves and is
/// asked without a pause: that one never fails.
async fn is_fenced(misdeed: Misdeed) -> Result<()> {
    const CALLS: u64 = 3;
    let case = case(misdeed).await?;
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    folder.install("bad", &misdeeds()?)?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    let host = Host::start(&plugins, &LimitsConfig::default()).await?;
    let behaved = Provider::connect(&host, spec(one_span()), Scope::All);
    let config = serde_json::to_value(Config {
        misdeed,
        url: case.url.clone(),
    })?;
    let bad = ConnectionSpec {
        name: "bad".to_owned(),
        provider: "bad".to_owned(),
        secrets: [("token".to_owned(), Secret::from("sk-very-secret").into())].into(),
        allow_hosts: case.allow_hosts.clone(),
        limits: case.limits.clone(),
        ..spec(config)
    };
    let bad = Provider::connect(&host, bad, Scope::All);

    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let beside = {
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                behaved.traces().get_spans(&query("any")).await?;
                served.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    };
    let callers = (0..4).map(|_| {
        let (bad, expect) = (bad.clone(), case.expect);
        tokio::spawn(async move {
            let mut made = 0;
            for _ in 0..CALLS {
                let spans = bad.traces().get_spans(&query("any").limit(LIMIT)).await;
                if !is_held_back(&spans) {
                    expect(spans)?;
                    made += 1;
                }
            }
            anyhow::Ok(made)
        })
    });
    let mut made = 0;
    for caller in callers.collect::<Vec<_>>() {
        made += caller.await?.with_context(|| format!("{misdeed:?}"))?;
    }
    assert!(made > 0);
    let seen = served.load(Ordering::Relaxed);
    eventually("another answer beside it", SOON, async || {
        ensure!(served.load(Ordering::Relaxed) > seen, "none yet");
        Ok(())
    })
    .await?;
    stop.store(true, Ordering::Relaxed);
    beside.await?.context("the provider beside it")?;
    let echo = status(&host, "echo")?.generation.context("gone")?;
    assert_eq!(echo.errors, 0);
    Ok(())
}

/// A test for each.
macro_rules! fenced {
    ($($name:ident: $misdeed:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                is_fenced(Misdeed::$misdeed).await
            }
        )*

        /// Does not compile where a misdeed has no test.
        #[allow(dead_code, reason = "it need only compile")]
        fn every_misdeed_has_a_test(misdeed: Misdeed) {
            match misdeed {
                $(Misdeed::$misdeed => {})*
            }
        }
    };
}

fenced! {
    a_loop_is_ended: Loop;
    busy_host_calls_are_ended: BusyHostCalls;
    a_memory_bomb_is_ended: Memory;
    growth_costs_the_instance: Growth;
    large_tables_are_refused: Table;
    endless_recursion_is_ended: Recursion;
    hoarded_resources_are_bounded: Hoard;
    a_giant_result_is_not_taken: GiantResult;
    a_giant_request_is_not_sent: GiantRequest;
    an_answer_that_drips_in_is_given_up: SlowDrip;
    a_giant_answer_is_cut: GiantResponse;
    a_forbidden_host_is_not_reached: ForbiddenHost;
    a_redirect_to_a_forbidden_host_is_not_followed: ForbiddenRedirect;
    nothing_of_the_machine_can_be_read: Snoop;
    a_flood_of_records_is_bounded: LogFlood;
    a_trap_in_every_third_call_costs_that_call: TrapEveryThird;
    an_endless_initialisation_is_ended: InitializeHangs;
    a_trap_in_the_initialisation_costs_the_call: InitializeTraps;
    more_spans_than_asked_for_are_not_taken: DescribeLies;
}

/// A server whose answer never ends: so many bytes, a pause, and again.
struct Drip {
    address: String,
    serving: JoinHandle<()>,
}

impl Drip {
    async fn start(bytes: usize, pause: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    let part = vec![b'x'; bytes];
                    loop {
                        stream.write_all(&part).await?;
                        tokio::time::sleep(pause).await;
                    }
                    #[expect(unreachable_code, reason = "it says what the errors are")]
                    anyhow::Ok(())
                });
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
