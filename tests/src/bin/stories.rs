//! The stories by hand: `cargo run --release -p teal-tests --bin stories -- --list`.

fn main() -> std::process::ExitCode {
    teal_tests::stories::main()
}
