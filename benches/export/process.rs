//! Another process, what it says, and what it costs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Linux counts the time of processes in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that speaks in lines. It is ended when it is dropped.
pub(crate) struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
    pub(crate) threads: u64,
}

impl Process {
    /// A role of this binary.
    pub(crate) fn role(role: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(arguments);
        Self::start(&mut command)
    }

    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        Ok(Self {
            to: child.stdin.take().context("no input")?,
            from: BufReader::new(child.stdout.take().context("no output")?),
            child,
        })
    }

    pub(crate) fn read(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        anyhow::ensure!(!line.is_empty(), "a process ended before it had said all");
        Ok(line.trim_end().to_owned())
    }

    /// Says something, and hears the answer.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.to, "{line}")?;
        self.to.flush()?;
        self.read()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        usage(self.child.id())
    }

    /// [`ask`](Self::ask), with the most threads that were seen on the way.
    pub(crate) fn ask_watched(&mut self, line: &str) -> Result<(String, u64)> {
        let id = self.child.id();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            let mut most = 0;
            while is_done.recv_timeout(Duration::from_millis(20))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                most = most.max(usage(id).map_or(0, |usage| usage.threads));
            }
            most
        });
        let answer = self.ask(line);
        drop(done);
        let most = watch.join().unwrap_or_default();
        Ok((answer?, most))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn usage(process: u32) -> Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may have spaces; what follows its bracket begins with field 3.
    let fields = stat.rsplit_once(')').context("no stat")?.1;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse().unwrap_or(f64::NAN))
        .collect();
    Ok(Usage {
        cpu_seconds: ticks.iter().sum::<f64>() / TICKS_PER_SECOND,
        peak_mib: field("VmHWM:").context("no VmHWM")? / 1024.0,
        threads: field("Threads:").context("no Threads")? as u64,
    })
}

/// What a client does between its beginning and its end: it waits to be told, and tells how long
/// it took.
pub(crate) fn as_client(work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut line = String::new();
    println!("ready");
    std::io::stdin().read_line(&mut line)?;
    let began = Instant::now();
    work()?;
    println!("{}", began.elapsed().as_secs_f64());
    // Until whoever asked has looked at what it cost.
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
