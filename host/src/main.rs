//! The program `roost`: ask providers and their backends from a terminal. It is a user of
//! the library like any other, and sees nothing that is not public.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
