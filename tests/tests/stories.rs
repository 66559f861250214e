//! The stories for `cargo test`. The program runs itself again inside a bed.

fn main() -> std::process::ExitCode {
    teal_tests::stories::main()
}
