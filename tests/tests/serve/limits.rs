//! What is too much.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use prost::Message;
use roost_tests::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, group, grpc, post, request, send, shop, spans};

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_and_after_it_is_decompressed() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.max_body_bytes = 100000").await?;
    let answer = post(&gateway, PROTOBUF, vec![0; 100_001]).send().await?;
    assert_eq!(answer.status(), 413);
    // A gigabyte of zeros in a megabyte, and in some dozen bytes of it.
    let zeros = vec![0_u8; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
    for _ in 0..64 {
        gzip.write_all(&zeros)?;
        zstd.write_all(&zeros)?;
    }
    for (encoding, bomb) in [("gzip", gzip.finish()?), ("zstd", zstd.finish()?)] {
        assert!(bomb.len() < 100_000, "it is a bomb");
        let sent = post(&gateway, PROTOBUF, bomb).header("content-encoding", encoding);
        assert_eq!(sent.send().await?.status(), 413, "{encoding}");
    }
    let status = grpc(&gateway).await?.export(shop(spans(5_000))).await;
    assert_eq!(status.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(send(&gateway, &[], &shop(spans(1))).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_full_queue_is_told_with_when_to_try_again_and_takes_spans_later() -> Result<()> {
    let backend = Backend::start(Mood::Silent).await?;
    let gateway = backend
        .gateway(
            "telemetry.batch_config.max_queue_size = 20\n\
             telemetry.batch_config.max_export_batch_size = 5\n",
        )
        .await?;
    let mut taken = 0;
    let refusal = loop {
        let answer = send(&gateway, &[], &shop(spans(5))).await?;
        if answer.status() != 200 {
            break answer;
        }
        taken += 5;
        ensure!(taken <= 20, "a queue of 20 took {taken}");
    };
    assert!(taken > 0);
    assert_eq!(refusal.status(), 503);
    let wait: u64 = refusal.headers()["retry-after"].to_str()?.parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    let status = grpc(&gateway)
        .await?
        .export(shop(spans(5)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    // google.rpc.Status { details: [RetryInfo] }
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(details.contains("google.rpc.RetryInfo"), "{details:?}");

    backend.become_(Mood::Willing);
    eventually("there is room again", Duration::from_secs(60), async || {
        let answer = send(&gateway, &[], &shop(spans(1))).await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok(())
    })
    .await?;
    backend.wait_for(taken + 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_told_to_wait_and_others_are_not() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.requests_per_second = 2").await?;
    let acme = [("x-roost-tenant", "acme")];
    let mut refused = None;
    for _ in 0..50 {
        let answer = send(&gateway, &acme, &shop(spans(1))).await?;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty requests at once are more than two a second");
    assert_eq!(refused.headers()["retry-after"], "1");
    let globex = request(vec![group(&[("tenant.id", "globex")], spans(1))]);
    assert_eq!(send(&gateway, &[], &globex).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_hung_up_on() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend
        .gateway("serve.header_timeout_millis = 300\nserve.request_timeout_millis = 300")
        .await?;
    let half_a_head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n".as_slice();
    for said in [b"".as_slice(), b"PRI * HT", half_a_head] {
        let mut stream = TcpStream::connect(gateway.http()).await?;
        stream.write_all(said).await?;
        let mut answer = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
        let _ = end.await?;
    }
    let mut stream = TcpStream::connect(gateway.http()).await?;
    stream.write_all(half_a_head).await?;
    stream
        .write_all(b"content-type: application/x-protobuf\r\ncontent-length: 10\r\n\r\nab")
        .await?;
    let mut answer = vec![0; 1_024];
    let read = stream.read(&mut answer);
    let len = tokio::time::timeout(Duration::from_secs(30), read).await??;
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn more_connections_than_allowed_wait_until_others_go() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.max_connections = 3").await?;
    let mut held = Vec::new();
    // A port that nobody has used yet keeps no place from the other.
    for address in [gateway.http(), gateway.http(), gateway.grpc()] {
        let mut stream = TcpStream::connect(address).await?;
        // An answer shows that it was accepted; the connection stays open.
        stream
            .write_all(b"GET /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n")
            .await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"HTTP/1.1 405");
        held.push(stream);
    }
    let body = shop(spans(1)).encode_to_vec();
    let waiting = tokio::spawn(post(&gateway, PROTOBUF, body).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    drop(held);
    assert_eq!(waiting.await??.status(), 200);
    Ok(())
}

/// Who hangs up frees the connection, not the work that was begun for it: that holds its turn
/// until it ends, and then others have theirs.
#[tokio::test]
async fn senders_that_hang_up_do_not_keep_others_out() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend
        .gateway("serve.max_concurrent_requests = 2\nserve.max_connections = 64\n")
        .await?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&shop(spans(2_000)).encode_to_vec())?;
    let body = gzip.finish()?;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\n\
         content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..40 {
        let mut stream = TcpStream::connect(gateway.http()).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
    }
    let answer = send(&gateway, &[("x-roost-tenant", "quiet")], &shop(spans(1))).await?;
    assert_eq!(answer.status(), 200);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/metrics", gateway.admin());
    eventually("all are over", Duration::from_secs(60), async || {
        let text = client.get(&url).send().await?.text().await?;
        ensure!(
            text.contains("roost_gateway_requests_in_flight 0"),
            "{text}"
        );
        Ok(())
    })
    .await
}

/// What is refused for want of room was not taken in part: sent again until it is taken, each span
/// of each tenant is there once.
#[tokio::test]
async fn a_request_of_many_tenants_is_taken_whole_or_not_at_all() -> Result<()> {
    let backend = Backend::start(Mood::Status(503)).await?;
    let gateway = backend
        .gateway(
            "telemetry.batch_config.max_queue_size = 20\n\
             telemetry.batch_config.max_export_batch_size = 5\n",
        )
        .await?;
    assert_eq!(send(&gateway, &[], &shop(spans(12))).await?.status(), 200);
    let of = |tenant| group(&[("service.name", "shop"), ("tenant.id", tenant)], spans(4));
    let request = request(["acme", "globex", "initech"].map(of).to_vec());
    // There is room for the first of them.
    assert_eq!(send(&gateway, &[], &request).await?.status(), 503);
    backend.become_(Mood::Willing);
    eventually("there is room again", Duration::from_secs(60), async || {
        let answer = send(&gateway, &[], &request).await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok(())
    })
    .await?;
    backend.wait_for(24).await?;
    let stopped = gateway.stop().await?;
    assert_eq!(stopped.code, 0, "{stopped:?}");
    let seen = backend.spans();
    let ids: BTreeSet<_> = seen.iter().map(|(_, span)| &span.span_id).collect();
    assert_eq!((seen.len(), ids.len()), (24, 24));
    Ok(())
}
