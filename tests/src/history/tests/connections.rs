//! Routes of connections in the history.

use serde_json::{Value, json};

use super::super::Invariant;
use super::builder::{Story, key};

fn split(candidate: i64) -> Value {
    json!([
        {"destination": {"host": "web"}, "weight": 100 - candidate},
        {"destination": {"host": "web-candidate"}, "weight": candidate},
    ])
}

/// The tcp list as somebody writes it.
fn tcp(story: Story, manager: &str, routes: &Value) -> Story {
    let stamp = story.stamp()["epoch.teal.dev/uid-web"].clone();
    story.edit(manager, &key("virtualservices", "web"), |object| {
        object["spec"]["tcp"] = json!([{"match": [{"port": 9000}], "route": routes}]);
        if manager.starts_with("teal/") {
            object["metadata"]["annotations"]["epoch.teal.dev/uid-web"] = stamp;
        }
    })
}

/// Installed, with a tcp route of the owner's, and the spec naming these.
fn named(routes: &Value) -> Story {
    let mut story = tcp(Story::installed(), "kubectl", &json!([{"destination": {"host": "web"}}]));
    story.spec["traffic"]["virtualServices"] = json!([{"name": "web", "routes": routes}]);
    story.rollout("kubectl")
}

fn both() -> Story {
    named(&json!([{"name": "primary"}, {"tcp": {"port": 9000}}]))
}

/// At 10 % in both lists.
fn at_ten() -> Story {
    let story = tcp(both().begun(), "teal/traffic", &split(0));
    tcp(story.weigh(10), "teal/traffic", &split(10)).wait(2).reached()
}

#[test]
fn a_tcp_route_that_is_named_goes_along() {
    let summary = at_ten().told();
    assert!(summary.holds(), "{summary}");
}

#[test]
fn i1_weights_of_a_tcp_route_that_sum_to_90() {
    let routes = json!([
        {"destination": {"host": "web"}, "weight": 82},
        {"destination": {"host": "web-candidate"}, "weight": 8},
    ]);
    tcp(at_ten(), "teal/traffic", &routes).breaks(Invariant::I1, "the weights of spec.tcp[0] sum to 90");
}

#[test]
fn i11_a_tcp_route_that_is_not_named_is_weighed() {
    for routes in [json!([{"name": "primary"}]), json!([{"name": "primary"}, {"tcp": {"port": 9001}}])] {
        let story = named(&routes).begun().weigh(10).wait(2).reached();
        tcp(story, "teal/traffic", &split(10)).breaks(Invariant::I11, "Teal changes spec.tcp");
    }
}

#[test]
fn i14_a_tcp_route_above_its_step() {
    let story = tcp(at_ten(), "teal/traffic", &split(50));
    story.breaks(
        Invariant::I14,
        "tcp route 0 of VirtualService web: r2-02020202 gets 50 %, and step canary has 10 %",
    );
}

#[test]
fn a_tls_route_is_meant_by_its_port_and_names() {
    let with = |wanted: Value| {
        let mut story = named(&json!([{"name": "primary"}, {"tls": wanted}]));
        story = story.edit("kubectl", &key("virtualservices", "web"), |object| {
            object["spec"]["tls"] = json!([{"match": [{"port": 443, "sniHosts": ["a", "b"]}],
                "route": [{"destination": {"host": "web"}}]}]);
        });
        let story = story.begun().weigh(10).wait(2).reached();
        story.edit("teal/traffic", &key("virtualservices", "web"), |object| {
            object["spec"]["tls"][0]["route"] = split(10);
        })
    };
    for wanted in [
        json!({"port": 443}),
        json!({"sniHosts": ["b"]}),
        json!({"port": 443, "sniHosts": ["b", "a"]}),
        json!({}),
    ] {
        let summary = with(wanted.clone()).told();
        assert!(summary.holds(), "{wanted}: {summary}");
    }
    for wanted in [json!({"port": 8443}), json!({"sniHosts": ["a", "c"]})] {
        with(wanted).breaks(Invariant::I11, "Teal changes spec.tls");
    }
}
