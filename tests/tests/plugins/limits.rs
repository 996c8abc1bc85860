//! What a guest may use, and what a call may take.

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::config::{ConnectionLimits, LimitsConfig};
use roost::contract::Error;
use roost::plugin::{ConnectionSpec, Host};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, echo, eventually, misdeeds};
use serde_json::json;

use crate::fixture::{SOON, host, one_span, query, spec, status, text, with_echo};
use crate::misdeed::Misdeed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_is_ended_at_its_deadline() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        call_timeout_millis: 300,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let (endless, beside) = (provider.traces(), provider.traces());
    let (loop_query, any_query) = (query("loop"), query("any"));
    let (endless, beside) =
        tokio::join!(endless.get_spans(&loop_query), beside.get_spans(&any_query));
    let error = endless.unwrap_err();
    assert!(matches!(error.kind(), Error::Timeout(_)), "{error}");
    assert!(error.to_string().contains("call_timeout_millis"), "{error}");
    assert_eq!(beside?.len(), 1);
    Ok(())
}

/// A busy guest gives way, so even a runtime of one thread goes on.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_guest_does_not_hold_the_runtime() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        call_timeout_millis: 300,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let mut ticks = 0;
    let endless_query = query("loop");
    let traces = provider.traces();
    let endless = traces.get_spans(&endless_query);
    tokio::pin!(endless);
    loop {
        tokio::select! {
            biased;
            outcome = &mut endless => {
                assert!(outcome.is_err());
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(5)) => ticks += 1,
        }
    }
    assert!(ticks > 1, "the guest ran {ticks} times between timers");
    Ok(())
}

#[tokio::test]
async fn a_memory_bomb_and_a_trap_cost_one_call() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        memory_bytes: 32 << 20,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);

    let grown = provider
        .traces()
        .get_spans(&query("grow"))
        .await
        .unwrap_err();
    assert!(matches!(grown.kind(), Error::Internal(_)), "{grown}");
    assert!(grown.to_string().contains("raise memory_bytes"), "{grown}");
    let trapped = provider
        .traces()
        .get_spans(&query("trap"))
        .await
        .unwrap_err();
    assert!(matches!(trapped.kind(), Error::Internal(_)), "{trapped}");
    assert_eq!(provider.traces().get_spans(&query("any")).await?.len(), 1);
    assert_eq!(status(&host, "echo")?.generation.unwrap().errors, 2);
    Ok(())
}

/// A host whose limits a test has set.
async fn with_limits(limits: LimitsConfig) -> Result<(PluginFolder, Host, Provider)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    Ok((folder, host, provider))
}

#[tokio::test]
async fn an_instance_is_reused_until_it_has_served_its_quota() -> Result<()> {
    let limits = LimitsConfig {
        calls_per_instance: 3,
        ..LimitsConfig::default()
    };
    let (_folder, _host, provider) = with_limits(limits).await?;
    let mut calls = Vec::new();
    for _ in 0..7 {
        let spans = provider.traces().get_spans(&query("any")).await?;
        calls.push(text(&spans[0], "echo.call").to_owned());
    }
    assert_eq!(calls, ["1", "2", "3", "1", "2", "3", "1"]);
    Ok(())
}

#[tokio::test]
async fn calls_beyond_the_instances_wait_for_one() -> Result<()> {
    let limits = LimitsConfig {
        max_instances: 1,
        call_timeout_millis: 1000,
        ..LimitsConfig::default()
    };
    let (_folder, host, provider) = with_limits(limits).await?;
    let traces = provider.traces();
    let (endless, any) = (query("loop"), query("any"));
    let mut first = Box::pin(traces.get_spans(&endless));
    // Let it take the only instance.
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut first)
            .await
            .is_err()
    );
    let mut second = Box::pin(traces.get_spans(&any));
    tokio::select! {
        biased;
        ended = &mut first => assert!(ended.is_err()),
        early = &mut second => panic!("it did not wait: {early:?}"),
    }
    assert_eq!(second.await?.len(), 1);
    let serving = status(&host, "echo")?.generation.unwrap();
    assert_eq!((serving.calls, serving.errors), (2, 1));
    Ok(())
}

#[tokio::test]
async fn pages_that_lead_to_themselves_have_an_end() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let error = provider
        .traces()
        .get_spans(&query("endless"))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::Internal(_)), "{error}");
    assert!(error.to_string().contains("pages have no end"), "{error}");
    Ok(())
}

/// The call of an instance, counted by the instance itself.
async fn call_number(provider: &Provider) -> Result<String> {
    let spans = provider.traces().get_spans(&query("any")).await?;
    Ok(text(&spans[0], "echo.call").to_owned())
}

#[tokio::test]
async fn an_instance_that_waits_too_long_for_a_call_is_dropped() -> Result<()> {
    let limits = LimitsConfig {
        idle_timeout_seconds: 1,
        ..LimitsConfig::default()
    };
    let (_folder, host, provider) = with_limits(limits).await?;
    assert_eq!(call_number(&provider).await?, "1");
    assert_eq!(call_number(&provider).await?, "2");
    assert_eq!(host.activity()[0].idle_instances, 1);
    eventually("no instance", SOON, async || {
        let idle = host.activity()[0].idle_instances;
        ensure!(idle == 0, "there are {idle}");
        Ok(())
    })
    .await?;
    assert_eq!(call_number(&provider).await?, "1");
    Ok(())
}

#[tokio::test]
async fn an_instance_that_grew_does_not_serve_again() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = host(&folder, LimitsConfig::default()).await?;
    for (growth_bytes, kept) in [(4 << 20, 0), (64 << 20, 1)] {
        let spec = ConnectionSpec {
            limits: ConnectionLimits {
                growth_bytes: Some(growth_bytes),
                ..ConnectionLimits::default()
            },
            ..spec(json!({ "misdeed": Misdeed::Growth }))
        };
        let provider = Provider::connect(&host, spec, Scope::All);
        provider.traces().get_spans(&query("any")).await?;
        assert_eq!(host.activity()[0].idle_instances, kept, "{growth_bytes}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_has_limits_of_its_own() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let narrow = ConnectionSpec {
        name: "narrow".to_owned(),
        limits: ConnectionLimits {
            call_timeout_millis: Some(100),
            calls_per_instance: Some(1),
            ..ConnectionLimits::default()
        },
        ..spec(one_span())
    };
    let narrow = Provider::connect(&host, narrow, Scope::All);
    let wide = Provider::connect(&host, spec(one_span()), Scope::All);
    let error = narrow.traces().get_spans(&query("loop")).await.unwrap_err();
    let says = "raise call_timeout_millis under [connections.narrow.limits]";
    assert!(error.to_string().contains(says), "{error}");
    for number in ["1", "2"] {
        assert_eq!(call_number(&narrow).await?, "1");
        assert_eq!(call_number(&wide).await?, number);
    }
    Ok(())
}

#[tokio::test]
async fn each_class_of_calls_has_its_own_deadline() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let limits = LimitsConfig {
        start_timeout_millis: 50,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let spec = spec(json!({ "misdeed": Misdeed::InitializeHangs }));
    let provider = Provider::connect(&host, spec.clone(), Scope::All);
    let error = provider
        .traces()
        .get_spans(&query("any"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("raise start_timeout_millis"),
        "{error}"
    );
    let spec = ConnectionSpec {
        limits: ConnectionLimits {
            start_timeout_millis: Some(30_000),
            health_timeout_millis: Some(50),
            ..ConnectionLimits::default()
        },
        ..spec
    };
    let provider = Provider::connect(&host, spec, Scope::All);
    let error = provider.check_health().await.unwrap_err();
    assert!(
        error.to_string().contains("raise health_timeout_millis"),
        "{error}"
    );
    Ok(())
}
