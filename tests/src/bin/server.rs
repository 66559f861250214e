//! Tests on an API server; started by `cargo xtask server`, which builds them first.

fn main() -> std::process::ExitCode {
    teal_tests::server::main()
}
