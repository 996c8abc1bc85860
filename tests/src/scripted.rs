//! A server that answers as it is told, for what no real one does on demand: to hang up in
//! the middle, to be overloaded just twice.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An HTTP server on loopback with its answers written beforehand, one for each request;
/// it ends when dropped.
#[derive(Debug)]
pub struct Scripted {
    address: String,
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    /// Answer the first request with the first status and headers, and so on; an empty
    /// answer hangs up without one. Later requests are answered `200`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(answers: &'static [&'static str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let serving = tokio::spawn(async move {
            let mut answers = answers.iter();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.next().unwrap_or(&"200 OK");
                if let Ok(head) = serve(stream, answer).await {
                    lock(&seen).push(head);
                }
            }
        });
        Ok(Self {
            address: format!("http://127.0.0.1:{port}"),
            port,
            heads,
            serving,
        })
    }

    /// Its scheme, host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The request lines and headers it has seen, in lower case.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.heads).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(heads: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    heads.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Read one request, answer it and hang up.
async fn serve(mut stream: TcpStream, answer: &str) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !answer.is_empty() {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(String::from_utf8(head)?.to_lowercase())
}
