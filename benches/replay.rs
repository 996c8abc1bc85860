//! A server that gives one answer to everything, from memory: the network's part of a
//! request without the backend's.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A server on loopback, which runs until the process ends.
pub(crate) struct Replay {
    endpoint: String,
}

impl Replay {
    /// Answer everything with `200` and this body.
    pub(crate) fn start(content_type: &str, body: &[u8]) -> io::Result<Self> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer: Arc<[u8]> = [head.as_bytes(), body].concat().into();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                // A client that hangs up is no failure.
                thread::spawn(move || serve(&stream, &answer));
            }
        });
        Ok(Self { endpoint })
    }

    /// Such as `http://127.0.0.1:40000`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

fn serve(mut stream: &TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(length) = read_head(&mut reader)? {
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        stream.write_all(answer)?;
    }
    Ok(())
}

/// The length of the body that follows; none when the client is gone.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            return Ok(Some(length));
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    Ok(None)
}
