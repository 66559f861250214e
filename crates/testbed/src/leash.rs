//! Starting a program that ends with the one that started it.

use std::ffi::OsStr;
use std::process::Command;

/// What the shell of a leash does: whoever ended before the leash was on can't end anything by it any more.
const WHILE_HELD: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// A call of a program to which the kernel sends a signal, such as `TERM`, when this process ends, be it by `kill -9` of it alone.
/// Arguments that are added are the program's.
///
/// To be started by a thread that lives as long as the process: the kernel takes its end for that of all.
pub fn leashed(signal: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal, "sh", "-c", WHILE_HELD]);
    command.arg(std::process::id().to_string()).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;

    use super::leashed;

    #[test]
    fn what_is_on_a_leash_is_sent_the_signal_when_its_starter_ends() {
        // To the kernel a thread is a parent, and this one ends as nobody can prepare for.
        let starter = std::thread::spawn(|| {
            let mut command = leashed("INT", "sh");
            let child = command.args(["-c", "echo up; exec sleep 20"]).stdout(Stdio::piped()).spawn();
            let mut child = child.unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "up\n");
            child
        });
        let status = starter.join().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(2), "it ended by itself: {status}");
    }
}
