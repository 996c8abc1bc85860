//! A server that helps a provider to misbehave. It has threads of its own, so that what is timed
//! is not its work in the runtime.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// What it does with every request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provoke {
    /// Takes all that is sent, and is content.
    Take,
    /// Answers a byte every 20 ms.
    Drip,
    /// Answers as fast as it is read, without end.
    Pour,
    /// Sends everybody to where a cloud keeps its credentials.
    Redirect,
}

/// Start one; it lives as long as the process. Returned is its address.
pub(crate) fn start(provoke: Provoke) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Its end is whoever hangs up.
            thread::spawn(move || serve(stream, provoke));
        }
    });
    Ok(address)
}

const OK_AND_BYE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The least a thread may claim of the processor.
const LAST: i32 = 19;

fn serve(mut stream: TcpStream, provoke: Provoke) -> std::io::Result<()> {
    // It stands for another machine, whose processor nobody here waits for. On Linux this is of the
    // thread alone.
    rustix::process::setpriority_process(None, LAST)?;
    let mut buffer = [0; 64 << 10];
    let read = stream.read(&mut buffer)?;
    if read == 0 {
        return Ok(());
    }
    match provoke {
        Provoke::Take => {
            let mut read = read;
            // So ends a body that comes in chunks.
            let ends = |part: Option<&[u8]>| part.is_some_and(|part| part.ends_with(b"0\r\n\r\n"));
            while !ends(buffer.get(..read)) {
                read = stream.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
            }
            stream.write_all(OK_AND_BYE)
        }
        // The connection stays, as with any server: a new one for each request would cost more
        // than the request, and that is not what is measured.
        Provoke::Redirect => {
            let mut read = read;
            while read > 0 {
                if buffer
                    .get(..read)
                    .is_some_and(|part| part.ends_with(b"\r\n\r\n"))
                {
                    stream.write_all(
                        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\
                          content-length: 0\r\n\r\n",
                    )?;
                }
                read = stream.read(&mut buffer)?;
            }
            Ok(())
        }
        Provoke::Drip | Provoke::Pour => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            let (part, pause) = match provoke {
                Provoke::Drip => (buffer.split_at(1).0, Duration::from_millis(20)),
                _ => (&buffer[..], Duration::ZERO),
            };
            loop {
                stream.write_all(part)?;
                thread::sleep(pause);
            }
        }
    }
}
