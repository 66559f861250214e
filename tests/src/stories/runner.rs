//! Telling the stories and counting how they ended.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt, stream};
use teal_testbed::{Cluster, Config, enter, history as etcd};

use super::{STORIES, Story};
use crate::error::{Error, Result};
use crate::history::{History, NOT_CHECKED, Options, PlainWrite, Summary, check};
use crate::world::{Installation, OPERATOR_NAMESPACE, PlainWrites, World, bed_config, command_line, images};

/// No story takes longer, or it hangs.
const LONGEST: Duration = Duration::from_secs(300);
/// Stories told at the same time. They wait most of the time, but each has load of its own, and the bed has two cores: with seven, a way
/// back was once seen to take 1.3 s, on a machine of half its usual speed.
const AT_ONCE: usize = 5;
/// Set by `cargo xtask test --long`.
const LONG: &str = "TEAL_TEST_LONG";
/// Why a long story is left out.
const BY_HAND: &str = "long: told with --long, or by --only";
/// Set by the bed in every process but the first.
const IN_BED: &str = "TEAL_BED_ROLE";

/// End-to-end stories on a real cluster.
#[derive(Clone, Debug, Parser)]
#[command(name = "stories")]
struct Arguments {
    /// Tell these alone, by name or beginning of name
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Tell those too that are left to a run by hand
    #[arg(long, env = LONG, value_parser = clap::builder::FalseyValueParser::new())]
    long: bool,
    /// Tell in this namespace, and not in that of the story's name. For one story
    #[arg(long, hide = true, requires = "only")]
    namespace: Option<String>,
    /// Say which stories there are
    #[arg(long)]
    list: bool,
    /// One after another
    #[arg(long)]
    one_by_one: bool,
    /// Leave the bed up after a failure, until Ctrl-C (look inside with `teal-bed exec`)
    #[arg(long, conflicts_with = "kubeconfig")]
    keep: bool,
    /// Use this cluster with Istio instead of starting one; it must be able to run teal.dev/teal and teal.dev/shop, and have
    /// nothing of Teal's that matters. Stories that only a bed can tell are left out, by name
    #[arg(long, value_name = "FILE", requires = "gateway")]
    kubeconfig: Option<PathBuf>,
    /// Address of that cluster's ingress gateway (label istio=ingress), such as http://192.0.2.10. Sessions of raw TCP go to its
    /// port 9000, and are left out where nothing answers there
    #[arg(long, value_name = "URL", requires = "kubeconfig")]
    gateway: Option<String>,
    /// Address of that cluster's Prometheus, as its pods reach it
    #[arg(long, value_name = "URL", requires = "kubeconfig")]
    prometheus: Option<String>,
}

/// The stories that were asked for.
#[derive(Default)]
struct Chosen {
    told: Vec<&'static Story>,
    /// With why they can't be told here.
    left_out: Vec<(&'static Story, &'static str)>,
}

impl Arguments {
    fn chosen(&self) -> Chosen {
        let named = |story: &&Story| {
            self.only.is_empty() || self.only.iter().any(|name| story.name.starts_with(name.as_str()))
        };
        let mut chosen = Chosen::default();
        for story in STORIES.iter().filter(named) {
            let too_long = (story.long && !self.long && self.only.is_empty()).then_some(BY_HAND);
            match story.bed.filter(|_| self.kubeconfig.is_some()).or(too_long) {
                Some(why) => chosen.left_out.push((story, why)),
                None => chosen.told.push(story),
            }
        }
        chosen
    }

    fn namespace_of(&self, story: &Story) -> &str {
        self.namespace.as_deref().unwrap_or(story.name)
    }

    /// Somebody else's cluster, if one is named.
    fn theirs(&self) -> Option<Cluster> {
        let kubeconfig = self.kubeconfig.as_deref()?;
        Some(Cluster::existing(kubeconfig, self.gateway.clone(), self.prometheus.clone()))
    }
}

/// How a story ended.
struct Ended {
    took: Duration,
    result: Result<()>,
}

/// Tells what the command line asks for. To be called first thing in `main`.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        STORIES.iter().for_each(|story| say(&format!("{:<18} {}", story.name, story.about)));
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let chosen = arguments.chosen();
    if chosen.told.is_empty() && chosen.left_out.is_empty() {
        return Err(Error::Unmet("no story of that name: see --list".into()));
    }
    if chosen.told.is_empty() {
        let why = chosen.left_out.iter().map(|(story, why)| format!("{}: {why}", story.name));
        return Err(Error::Unmet(format!(
            "nothing to tell on this cluster ({})",
            why.collect::<Vec<_>>().join("; ")
        )));
    }
    // The history of every object is what the invariants are checked on.
    let config = Config { history: true, ..bed_config() };
    if chosen.told.iter().any(|story| story.types) && std::env::var_os(IN_BED).is_none() {
        command_line::build()?;
    }
    if arguments.kubeconfig.is_none() {
        let of_teal = chosen.told.iter().any(|story| story.of_teal);
        if std::env::var_os(IN_BED).is_none() {
            images::build(if of_teal { &images::PROGRAMS } else { &["shop"] })?;
        }
        enter(&config)?;
    }
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|source| Error::Local { action: "start the runtime", source })?;
    runtime.block_on(async {
        let world = match arguments.theirs() {
            Some(cluster) => World::existing(cluster).await?,
            None => World::start(config).await?,
        };
        tell(arguments, &chosen, world).await
    })
}

async fn tell(arguments: &Arguments, chosen: &Chosen, world: World) -> Result<bool> {
    let begun = Instant::now();
    let stories = &chosen.told;
    // As libtest says it, for whoever counts.
    for (story, why) in &chosen.left_out {
        say(&format!("test {} ... ignored, {why}", story.name));
    }
    if stories.iter().any(|story| story.of_teal) {
        world.install_teal(&Installation::default()).await?;
    }
    // Where the history can't be read there is no use for them, and nothing is left in a cluster of somebody else's.
    let writes = match world.cluster.etcd {
        Some(_) => Some(PlainWrites::begin(world.client.clone()).await?),
        None => None,
    };
    let (alone, together): (Vec<_>, Vec<_>) =
        stories.iter().copied().partition(|story| story.alone || arguments.one_by_one);
    let mut ended = Vec::new();
    for story in alone {
        ended.push(one(&world, story, arguments.namespace_of(story)).await);
    }
    ended.extend(
        stream::iter(together)
            .map(|story| one(&world, story, arguments.namespace_of(story)))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await,
    );
    let failed = ended.iter().filter(|ended| ended.result.is_err()).count();
    let passed = ended.len() - failed;
    if failed > 0 && stories.iter().any(|story| story.of_teal) {
        say(&format!("the operator's last words:\n{}", world.operator_log(60).await));
    }
    if failed > 0 && arguments.keep {
        say("the bed stays up until Ctrl-C: look inside with teal-bed exec -- COMMAND");
        let interrupted = tokio::signal::ctrl_c().await;
        interrupted.map_err(|source| Error::Local { action: "wait for Ctrl-C", source })?;
    }
    let whole = arguments.only.is_empty();
    let holds = invariants(&world, whole, writes.map(|writes| writes.seen()).unwrap_or_default()).await?;
    let longest = ended.iter().map(|ended| ended.took).max().unwrap_or_default();
    world.stop().await?;
    say(&format!("{passed} passed, {failed} failed; the longest took {:.1} s", longest.as_secs_f64()));
    let word = if failed == 0 && holds { "ok" } else { "FAILED" };
    say(&format!(
        "test result: {word}. {passed} passed; {failed} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s",
        chosen.left_out.len(),
        STORIES.len() - stories.len() - chosen.left_out.len(),
        begun.elapsed().as_secs_f64(),
    ));
    Ok(failed == 0 && holds)
}

/// Holds every version of every object of the bed against the invariants, and says the counts. All stories together show
/// something of each.
async fn invariants(world: &World, whole: bool, plain_writes: Vec<PlainWrite>) -> Result<bool> {
    let Some(address) = world.cluster.etcd.as_deref() else {
        say(NOT_CHECKED);
        return Ok(true);
    };
    let versions = etcd::read(address).await?;
    say(&pace(&plain_writes));
    let how = Installation::default();
    let (quiet, meddling) = world.notes().all();
    let install_namespace = OPERATOR_NAMESPACE.into();
    let options =
        Options { drain: how.drain, install_namespace, quiet, meddling, plain_writes, ..Options::default() };
    let summary = check(&History::new(versions), &options);
    summary.to_string().lines().for_each(say);
    let unshown = unshown(&summary).filter(|_| whole);
    unshown.iter().for_each(|line| say(line));
    Ok(summary.holds() && unshown.is_none())
}

/// How fast the API server answered meanwhile.
fn pace(writes: &[PlainWrite]) -> String {
    let mut took: Vec<Duration> = writes.iter().map(|write| write.took).collect();
    took.sort_unstable();
    let at =
        |percent: usize| took.get(took.len() * percent / 100).or(took.last()).map_or(0, Duration::as_millis);
    format!(
        "history: {} plain writes took {} ms, 99 % of them {} ms, all {} ms at most",
        took.len(),
        at(50),
        at(99),
        at(100)
    )
}

/// What there is to say where nothing was judged of an invariant.
fn unshown(summary: &Summary) -> Option<String> {
    let unjudged = summary.unjudged(&[]);
    (!unjudged.is_empty()).then(|| format!("history: FAILED: nothing was judged for {unjudged:?}"))
}

async fn one(world: &World, story: &'static Story, namespace: &str) -> Ended {
    let begun = Instant::now();
    let told = tokio::time::timeout(LONGEST, (story.tell)(world, namespace)).await;
    let late = |_| Error::Unmet(format!("not at its end after {} s", LONGEST.as_secs()));
    let result = told.map_err(late).and_then(|result| result);
    let took = begun.elapsed();
    match &result {
        Ok(()) => say(&format!("ok      {:<18} {:>6.1} s", story.name, took.as_secs_f64())),
        Err(error) => {
            say(&format!("FAILED  {:<18} {:>6.1} s  {error}", story.name, took.as_secs_f64()));
            world.diary().read(namespace).iter().for_each(|line| say(&format!("        {line}")));
        }
    }
    Ended { took, result }
}

pub(super) fn say(line: &str) {
    // Whoever closed the output doesn't want to know.
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_namespaces_and_each_is_there_once() {
        let names: BTreeSet<&str> = STORIES.iter().map(|story| story.name).collect();
        assert_eq!(names.len(), STORIES.len());
        let fits = |name: &&str| {
            name.len() <= 40 && name.chars().all(|one| matches!(one, 'a'..='z' | '0'..='9' | '-'))
        };
        assert!(names.iter().all(fits));
    }

    #[test]
    fn a_whole_run_with_an_empty_history_fails() {
        let empty = check(&History::default(), &Options::default());
        assert!(empty.holds() && unshown(&empty).is_some());
    }

    #[test]
    fn the_pace_is_told_by_rank_and_of_nothing_too() {
        let write = |millis| PlainWrite { begun: 0, took: Duration::from_millis(millis) };
        let writes: Vec<_> = (1..=200).rev().map(write).collect();
        assert_eq!(
            pace(&writes),
            "history: 200 plain writes took 101 ms, 99 % of them 199 ms, all 200 ms at most"
        );
        assert_eq!(pace(&[]), "history: 0 plain writes took 0 ms, 99 % of them 0 ms, all 0 ms at most");
    }

    #[test]
    fn stories_are_chosen_by_their_beginning() {
        let chosen = |arguments: &[&str]| {
            let parsed = Arguments::try_parse_from(["stories"].iter().chain(arguments)).unwrap();
            parsed.chosen().told.iter().map(|story| story.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&["--only", "rollback"]), ["rollback-at-10", "rollback-in-keep"]);
        assert_eq!(chosen(&["--long"]).len(), STORIES.len());
        let bounded = chosen(&[]);
        assert!(bounded.contains(&"order-hardest") && !bounded.contains(&"order-among-300"));
        assert_eq!(chosen(&["--only", "order-among"]), ["order-among-300"], "who names it wants it");
    }

    #[test]
    fn on_a_cluster_of_ones_own_what_only_a_bed_can_tell_is_left_out_by_name() {
        assert!(
            Arguments::try_parse_from(["stories", "--kubeconfig", "k"]).is_err(),
            "its gateway is needed"
        );
        let line = ["stories", "--kubeconfig", "k", "--gateway", "http://g"];
        let chosen = Arguments::try_parse_from(line).unwrap().chosen();
        assert_eq!(chosen.told.len() + chosen.left_out.len(), STORIES.len());
        assert!(chosen.told.iter().any(|story| story.name == "canary"));
        for name in ["instruments", "silence", "leader-killed", "order-filtered"] {
            assert!(chosen.left_out.iter().any(|(story, _)| story.name == name), "{name}");
            assert!(chosen.told.iter().all(|story| story.name != name), "{name}");
        }
    }
}
