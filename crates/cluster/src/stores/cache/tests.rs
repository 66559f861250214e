use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Thing(&'static str, u64, &'static str, &'static str);

impl View for Thing {
    fn id(&self) -> ObjectId {
        ObjectId::new("shop", self.0)
    }
    fn uid(&self) -> &str {
        self.3
    }
    fn version(&self) -> u64 {
        self.1
    }
    fn group(&self) -> &str {
        self.2
    }
    fn same(&self, other: &Self) -> bool {
        self.2 == other.2
    }
}

impl Named for Thing {
    fn id(&self) -> ObjectId {
        View::id(self)
    }
    fn uid(&self) -> String {
        self.3.to_owned()
    }
    fn version(&self) -> u64 {
        self.1
    }
}

fn feed(cache: &Cache<Thing>, events: Vec<Event<Thing>>) -> Vec<&'static str> {
    // What is in no group is none of ours.
    let read = |thing: Thing| (!thing.2.is_empty()).then_some(thing);
    let words = events.into_iter().map(|event| match cache.take(event, read) {
        Touched::Nothing => "nothing",
        Touched::Views(_) => "views",
        Touched::Own(_) => "own",
        Touched::All => "all",
    });
    words.collect()
}

fn names(cache: &Cache<Thing>, group: &str) -> Vec<&'static str> {
    cache.group("shop", group).iter().map(|thing| thing.0).collect()
}

#[test]
fn a_list_replaces_what_was_and_touches_all() {
    let cache = Cache::default();
    let words = feed(
        &cache,
        vec![
            Event::Init,
            Event::InitApply(Thing("a", 1, "web", "u1")),
            Event::InitApply(Thing("b", 2, "web", "u2")),
            Event::InitDone,
            Event::Init,
            Event::InitApply(Thing("b", 2, "web", "u2")),
        ],
    );
    assert_eq!(words, ["nothing", "nothing", "nothing", "all", "nothing", "nothing"]);
    assert_eq!(names(&cache, "web"), ["a", "b"], "a list counts only when it is complete");
    assert_eq!(feed(&cache, vec![Event::InitDone]), ["all"]);
    assert_eq!(names(&cache, "web"), ["b"], "what vanished during a gap is gone");
}

#[test]
fn deletions_are_told_and_indexes_follow() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 1, "web", "u1"))]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 2, "api", "u1"))]), ["views"]);
    assert_eq!((names(&cache, "web"), names(&cache, "api")), (vec![], vec!["a"]));
    assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 3, "api", "u1"))]), ["views"]);
    assert!(names(&cache, "api").is_empty());
}

#[test]
fn our_own_write_is_never_undone_by_older_news() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitApply(Thing("a", 5, "web", "u1")), Event::InitDone]);
    cache.offer(Thing("a", 9, "api", "u1"));
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 7, "web", "u1"))]), ["nothing"], "they know it so");
    assert_eq!(names(&cache, "api"), ["a"]);
    feed(&cache, vec![Event::Init]);
    cache.offer(Thing("a", 10, "api", "u1"));
    feed(&cache, vec![Event::InitApply(Thing("a", 9, "web", "u1")), Event::InitDone]);
    assert_eq!(names(&cache, "api"), ["a"], "a list from before doesn't win either");
    feed(&cache, vec![Event::Apply(Thing("a", 11, "web", "u1"))]);
    assert_eq!(names(&cache, "web"), ["a"], "newer news do");
}

#[test]
fn what_stops_concerning_us_is_kept_no_longer_and_is_told() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 5, "web", "u"))]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("b", 6, "", "other"))]), ["nothing"]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 4, "", "u"))]), ["nothing"], "old news");
    assert_eq!(names(&cache, "web"), ["a"]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 6, "", "u"))]), ["views"]);
    assert!(cache.get("shop", "a").is_none());
    feed(&cache, vec![Event::Apply(Thing("a", 7, "web", "u"))]);
    assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 8, "", "former"))]), ["nothing"]);
    assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 8, "", "u"))]), ["views"]);
    assert!(names(&cache, "web").is_empty());
    feed(&cache, vec![Event::Apply(Thing("a", 9, "web", "u"))]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 10, "", "new"))]), ["views"], "another object");
    assert!(names(&cache, "web").is_empty());
}

#[test]
fn what_the_watch_has_shown_is_gone_when_a_list_lacks_it() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone, Event::Init]);
    cache.offer(Thing("a", 9, "web", "u"));
    feed(&cache, vec![Event::InitDone]);
    assert_eq!(names(&cache, "web"), ["a"], "a list that was asked for before our write");
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 9, "web", "u"))]), ["nothing"]);
    feed(&cache, vec![Event::Init, Event::InitDone]);
    assert!(names(&cache, "web").is_empty(), "deleted while the watch was away");
}

#[test]
fn what_was_written_before_a_list_was_asked_for_and_is_not_in_it_is_gone() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone]);
    cache.offer(Thing("a", 9, "web", "u"));
    feed(&cache, vec![Event::Init]);
    cache.offer(Thing("b", 10, "web", "v"));
    assert_eq!(names(&cache, "web"), ["a", "b"], "a list counts only when it is complete");
    assert_eq!(feed(&cache, vec![Event::InitDone]), ["all"]);
    assert_eq!(
        names(&cache, "web"),
        ["b"],
        "made by us and deleted by another hand while the watch was away"
    );
}

/// Two Rollouts stand on one VirtualService: another hand turns the route of one, and the other reads it anew before the watch
/// shows that. Nobody else would ever look again.
#[test]
fn what_another_hand_wrote_before_our_own_answer_is_told_all_the_same() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitApply(Thing("a", 5, "web", "u")), Event::InitDone]);
    cache.offer(Thing("a", 9, "api", "u"));
    let apply = |version, group| vec![Event::Apply(Thing("a", version, group, "u"))];
    assert_eq!(feed(&cache, apply(7, "shop")), ["views"], "of another hand");
    assert_eq!(names(&cache, "api"), ["a"], "it is older all the same");
    assert_eq!(feed(&cache, apply(9, "api")), ["own"], "ours, or as we read it anew");
    assert_eq!(feed(&cache, apply(9, "api")), ["nothing"], "once");
    cache.offer(Thing("a", 12, "web", "u"));
    cache.offer(Thing("a", 13, "web", "u"));
    assert_eq!(feed(&cache, apply(12, "web")), ["own"]);
    assert_eq!(feed(&cache, apply(13, "web")), ["nothing"], "nothing but the version differs");
    assert!(cache.read(|state| state.own.is_empty()), "what was shown is remembered no longer");
    cache.offer(Thing("b", 14, "web", "v"));
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("b", 14, "web", "v"))]), ["own"], "made by us");
}

#[test]
fn a_fresh_look_that_finds_nothing_forgets_what_it_looked_for_alone() {
    let cache = Cache::default();
    cache.offer(Thing("a", 9, "web", "u"));
    cache.forget_gone(&ObjectId::new("shop", "a"), "former");
    assert_eq!(names(&cache, "web"), ["a"], "made anew meanwhile");
    cache.forget_gone(&ObjectId::new("shop", "a"), "u");
    feed(&cache, vec![Event::Init, Event::InitDone]);
    assert!(names(&cache, "web").is_empty());
}

#[test]
fn a_late_deletion_of_a_former_object_spares_its_successor() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 5, "web", "new"))]);
    assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 4, "web", "old"))]), ["nothing"]);
    assert_eq!(names(&cache, "web"), ["a"]);
}

#[test]
fn what_did_not_change_touches_nobody() {
    let cache = Cache::default();
    feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 5, "web", "u"))]);
    assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 6, "web", "u"))]), ["nothing"]);
    assert_eq!(cache.get("shop", "a").map(|thing| thing.1), Some(6));
}

/// A thing that refers to another namespace's.
struct Far(u64, Option<&'static str>);

impl View for Far {
    fn id(&self) -> ObjectId {
        ObjectId::new("edge", "far")
    }
    fn uid(&self) -> &'static str {
        "u"
    }
    fn version(&self) -> u64 {
        self.0
    }
    fn group(&self) -> &'static str {
        ""
    }
    fn same(&self, _: &Self) -> bool {
        false
    }
    fn refers(&self) -> Vec<ObjectId> {
        self.1.map(|name| ObjectId::new("shop", name)).into_iter().collect()
    }
}

impl Named for Far {
    fn id(&self) -> ObjectId {
        View::id(self)
    }
    fn uid(&self) -> String {
        View::uid(self).to_owned()
    }
    fn version(&self) -> u64 {
        View::version(self)
    }
}

#[test]
fn who_refers_to_an_object_follows_what_is_written() {
    let cache = Cache::default();
    let web = ObjectId::new("shop", "web");
    let refers = |cache: &Cache<Far>| cache.referring(&web).len();
    for (version, to, found) in [(1, Some("web"), 1), (2, Some("api"), 0), (3, Some("web"), 1), (4, None, 0)]
    {
        cache.take(Event::Apply(Far(version, to)), Some);
        assert_eq!(refers(&cache), found, "version {version}");
    }
    cache.take(Event::Apply(Far(5, Some("web"))), Some);
    cache.take(Event::Delete(Far(6, Some("web"))), Some);
    assert_eq!(refers(&cache), 0, "gone");
}
