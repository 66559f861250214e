//! The stories: `cargo xtask test --only stories`, or `cargo run -p teal-tests --bin stories -- --list`. The program
//! runs itself again inside a bed.

fn main() -> std::process::ExitCode {
    teal_tests::stories::main()
}
