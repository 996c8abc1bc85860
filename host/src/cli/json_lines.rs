//! JSON Lines, changed on their way: fewer keys, or one array.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

/// Takes JSON Lines, an object each, and writes them on with the keys that are wanted. A clone
/// writes to the same, so that who handed one away can still [`finish`](Self::finish).
pub(super) struct JsonLines<W> {
    state: Arc<Mutex<State<W>>>,
}

struct State<W> {
    out: W,
    /// In the order in which they are written; all of them where it is empty.
    keys: Vec<String>,
    /// Whether the lines become one array.
    is_array: bool,
    /// A line that is not whole yet.
    pending: Vec<u8>,
    is_first: bool,
}

impl<W> Clone for JsonLines<W> {
    fn clone(&self) -> Self {
        let state = Arc::clone(&self.state);
        Self { state }
    }
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(out: W, keys: &[String], is_array: bool) -> Self {
        let state = State {
            out,
            keys: keys.to_vec(),
            is_array,
            pending: Vec::new(),
            is_first: true,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// There are no more lines.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.with(|state| {
            if state.is_array {
                let end: &[u8] = if state.is_first { b"[]\n" } else { b"\n]\n" };
                state.out.write_all(end)?;
            }
            state.out.flush()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State<W>) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|state| {
            if state.keys.is_empty() && !state.is_array {
                return state.out.write(bytes);
            }
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                state.pending.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    state.pending.pop();
                    let line = std::mem::take(&mut state.pending);
                    state.line(&line)?;
                }
            }
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|state| state.out.flush())
    }
}

impl<W: Write> State<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let is_first = std::mem::take(&mut self.is_first);
        if self.is_array {
            self.out.write_all(if is_first { b"[\n" } else { b",\n" })?;
        }
        if self.keys.is_empty() {
            self.out.write_all(line)?;
        } else {
            self.object(&serde_json::from_slice(line)?)?;
        }
        if self.is_array {
            return Ok(());
        }
        self.out.write_all(b"\n")
    }

    /// An object with the keys that are wanted, in their order.
    fn object(&mut self, object: &Map<String, Value>) -> io::Result<()> {
        let mut before: &[u8] = b"{";
        for key in &self.keys {
            let Some(value) = object.get(key) else {
                continue;
            };
            self.out.write_all(before)?;
            serde_json::to_writer(&mut self.out, key)?;
            self.out.write_all(b":")?;
            serde_json::to_writer(&mut self.out, value)?;
            before = b",";
        }
        self.out
            .write_all(if before == b"{" { b"{}" } else { b"}" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn changed(lines: &str, keys: &[&str], is_array: bool) -> String {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let mut writer = JsonLines::new(Vec::new(), &keys, is_array);
        // Whoever writes knows nothing of lines.
        for part in lines.as_bytes().chunks(3) {
            writer.write_all(part).unwrap();
        }
        writer.finish().unwrap();
        let out = writer.with(|state| state.out.clone());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_is_wanted_passes_in_the_order_that_is_wanted() {
        let lines = "{\"a\":1,\"b\":{\"c\":\"\\n\"}}\n{\"a\":2.5}\n{}\n";
        assert_eq!(changed(lines, &[], false), lines);
        assert_eq!(
            changed(lines, &["b", "a"], false),
            "{\"b\":{\"c\":\"\\n\"},\"a\":1}\n{\"a\":2.5}\n{}\n"
        );
    }

    #[test]
    fn lines_become_one_array() {
        for (lines, expected) in [("", 0), ("{}\n", 1), ("{\"a\":1}\n{}\n", 2)] {
            let array = changed(lines, &[], true);
            let array: Vec<Value> = serde_json::from_str(&array).unwrap();
            assert_eq!(array.len(), expected);
        }
    }
}
